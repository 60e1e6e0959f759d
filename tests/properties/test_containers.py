"""What the properties say of containers, seen in the built image itself: STEADFAST_IMAGE names it, and Docker runs it.

Without them these tests are skipped, saying so; the hundred examples of each property need neither.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.containers import environment
from tests.properties import keys
from tests.properties.images import LOCK, TOOLS, forbidden, modules

IMAGE = os.environ.get("STEADFAST_IMAGE", "steadfast-app:latest")
INSTALLED = """
import importlib, importlib.metadata, json, sys
modules = json.load(sys.stdin)
for module in modules:
    importlib.import_module(module.partition(".")[0])
print(json.dumps({one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}))
"""
SETTINGS = "from django.conf import settings as s; print(s.DEBUG, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT)"


def docker(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], input=given, capture_output=True, text=True, timeout=300)


def inside(image: str, program: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """A program in a container of its own, with the least that production asks for."""
    environ = environment("postgresql://u:p@127.0.0.1:1/n")
    named = [f"-e{name}={environ[name]}" for name in ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL")]
    return docker("run", "--rm", "-i", "--network=none", *named, f"--entrypoint={program}", image, *words, given=given)


@pytest.fixture(scope="module")
def image() -> str:
    try:
        found = docker("image", "inspect", IMAGE)
    except OSError:
        pytest.skip("The image was NOT looked at: docker is not installed.")
    if found.returncode:
        pytest.skip(f"The image was NOT looked at: {found.stderr.strip()}")
    return IMAGE


@pytest.fixture(scope="module")
def layers(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every layer that is handed out with the image, also of what later ones cover."""
    whole = tmp_path_factory.mktemp("image") / "image.tar"
    assert docker("save", "-o", str(whole), image).returncode == 0
    return whole


def within(layers: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Each file of each layer."""
    with tarfile.open(layers) as whole:
        for member in whole:
            inner = whole.extractfile(member) if member.isfile() else None
            if inner is None:
                continue
            try:
                with tarfile.open(fileobj=inner) as layer:
                    yield from ((layer, one) for one in layer)
            except tarfile.ReadError:  # what describes the image
                continue


def test_every_package_of_the_lock_is_in_the_image(image: str) -> None:
    """Feature: production-deployment, Property 1: Container Dependency Completeness

    Each by its version, and every module that ours imports can be imported.
    """
    done = inside(image, "python", "-c", INSTALLED, given=json.dumps(modules()))
    assert done.returncode == 0, done.stderr
    there = {_plain(name): version for name, version in json.loads(done.stdout).items()}
    assert {name: there.get(_plain(name)) for name in LOCK} == LOCK


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_container_is_in_production(image: str) -> None:
    """Feature: production-deployment, Property 3: Production Configuration Loading"""
    done = inside(image, "python", "-c", SETTINGS)
    assert done.stdout.split() == ["False", "True", "True"], done.stderr


def test_no_layer_holds_what_only_builds_nor_a_key(layers: Path) -> None:
    """Feature: production-deployment, Properties 5 and 39: Multi-stage Build Optimization"""
    seen = set()
    for layer, one in within(layers):
        name = one.name.lstrip("./")
        seen.add(name)
        if name.startswith("app/") and one.isfile():
            path = name.removeprefix("app/")
            assert not forbidden(path), name
            file = layer.extractfile(one)
            assert path.endswith(".pyc") or file is None or not keys.key_in(file.read().decode(errors="replace")), name
        places = ("/site-packages/", "/dist-packages/", "/bin/")
        assert not any(f"{place}{tool}" == f"/{name}"[-len(place + tool) :] for tool in TOOLS for place in places), name
    assert "app/manage.py" in seen and not seen & {"usr/bin/gcc", "usr/bin/make", "usr/bin/apt-get", "usr/bin/git"}


@pytest.mark.parametrize("tool", ["pip", "gcc", "apt-get", "make"])
def test_nothing_can_be_built_or_installed_in_it(image: str, tool: str) -> None:
    """Feature: production-deployment, Property 5: Multi-stage Build Optimization"""
    assert inside(image, tool, "--version").returncode == 127
    assert inside(image, "python", "-m", "pip").returncode == 1
