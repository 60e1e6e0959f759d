"""Container and build: what is in the image, and what happens before it serves."""

from __future__ import annotations

import ast
import fnmatch
import gzip
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from tests.deploy.conftest import PARTS
from tests.deploy.edge import Edge
from tests.properties.edges import collected
from tests.properties.proof import proof
from tests.properties.small_database import at, becoming, environment_of, marks, variations
from tests.properties.starts import Starts
from tests.servers import PROJECT, Postgresql, free_port

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\\n]+))?", re.MULTILINE)
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
INSTALLED = """
import importlib, importlib.metadata
result = {}
for name in names:
    for file in importlib.metadata.files(name) or []:
        assert file.locate().exists() or file.suffix == ".pyc" or ".." in file.parts, file
    result[name] = importlib.metadata.version(name)
importlib.import_module(module.partition(".")[0])
"""


def locked(name: str) -> dict[str, str]:
    """What a lock holds for this Python on this system."""
    found = PINNED.findall((PROJECT / name).read_text())
    return {package: version for package, version, marker in found if not marker or Marker(marker).evaluate()}


LOCK, DEV = locked("requirements.txt"), locked("requirements-dev.txt")
HERE = sorted(LOCK)


@cache
def product_files() -> list[Path]:
    return sorted(path for part in PARTS for path in (PROJECT / part).rglob("*.py") if "/migrations/" not in str(path))


@cache
def imported(path: Path) -> set[str]:
    """The modules of others that a file names, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name for name in names if name.partition(".")[0] not in {*PARTS, *sys.stdlib_module_names}}


by_module = cache(metadata.packages_distributions)


def distributions_of(module: str) -> set[str]:
    return {name.lower().replace("_", "-").replace(".", "-") for name in by_module().get(module.partition(".")[0], [])}


OPTIONAL = {"sentence_transformers", "torch"}  # the extra `reference`, for comparison only


@proof(
    "a process beside the tests, installed from the same lock by the same command",
    boots="tests/deploy: the image's own build asks the model once, its start imports everything",
)
@given(data=st.data())
def test_property_1_what_the_code_imports_is_in_the_lock_and_installed(starts: Starts, data: st.DataObject) -> None:
    """Feature: production-deployment, Property 1: Container Dependency Completeness

    For any Docker build of the application, all Python dependencies listed in requirements.txt should be successfully
    installed and available in the container
    """
    names = data.draw(st.lists(st.sampled_from(HERE), min_size=8, max_size=12, unique=True))
    path = data.draw(st.sampled_from(product_files()))
    modules = imported(path) - OPTIONAL
    for module in modules:
        assert distributions_of(module) & {name.lower() for name in LOCK}, f"{path}: {module} is in no lock"
    module = data.draw(st.sampled_from(sorted(modules))) if modules else "django"
    given_by = starts.value(INSTALLED, names=names, module=module)
    assert given_by == {name: LOCK[name] for name in given_by}


@pytest.fixture(scope="module")
def small(postgresql: Postgresql) -> str:
    return postgresql.new_database("properties_small")


@proof("the entrypoint with five small migrations on PostgreSQL", boots="tests/deploy/test_start.py: all migrations")
@given(done=st.integers(0, 5), role=st.sampled_from(["web", "worker"]), more=variations)
def test_property_2_nothing_serves_before_every_migration(
    starts: Starts, small: str, done: int, role: str, more: dict[str, str]
) -> None:
    """Feature: production-deployment, Property 2: Automatic Migration Execution

    For any container startup with database connectivity, all pending Django migrations should be automatically
    applied before the application becomes ready
    """
    at(small, done)
    end = starts.one(becoming(), environment_of(small) | more, role)
    assert end.status == 0, end.text
    (seen,) = re.findall(r"^BECOMES .* WITH (.*)$", end.out, re.MULTILINE)
    assert seen == "[1, 2, 3, 4, 5]"
    assert marks(small) == [1, 2, 3, 4, 5]


SHOWN = """
from django.conf import settings
result = {name: getattr(settings, name, None) for name in (
    "DEBUG", "INSTALLED_APPS", "MIDDLEWARE", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS",
    "SECURE_SSL_REDIRECT", "STORAGES", "WHITENOISE_USE_FINDERS", "LOGGING", "RATE_LIMIT_ENFORCED", "ALLOWED_HOSTS")}
result["developing"] = sorted({"debug_toolbar", "console.settings.development"} & set(__import__("sys").modules))
"""
blanks = st.sampled_from(["", " ", "  "])


@proof("the settings of a new process", boots="tests/deploy: every boot is in production")
@given(
    debug=st.none() | blanks | st.sampled_from(["0", "false", "False", "no", "off", "n"]),
    level=st.sampled_from(["DEBUG", "debug", "INFO", "Warning", "ERROR"]),
    blank=st.lists(st.sampled_from(["SECURE_SSL_REDIRECT", "LOG_FORMAT", "RATE_LIMIT_CHAT", "DATA_DIR"]), unique=True),
    around=blanks,
)
def test_property_3_production_is_production(
    starts: Starts, debug: str | None, level: str, blank: list[str], around: str
) -> None:
    """Feature: production-deployment, Property 3: Production Configuration Loading

    For any deployment with DJANGO_ENV=production, the container should load production-specific settings and disable
    development features
    """
    base = {**environment_of("postgresql://u:p@127.0.0.1:1/n"), **dict.fromkeys(blank, "")}
    environ = {**base, "DJANGO_ENV": f"{around}production{around}", "LOG_LEVEL": level}
    environ |= {"DJANGO_SETTINGS_MODULE": "console.settings"} | ({} if debug is None else {"DEBUG": debug})
    shown = starts.value(SHOWN, environ)
    assert shown["DEBUG"] is False and shown["developing"] == []
    assert shown["SESSION_COOKIE_SECURE"] and shown["CSRF_COOKIE_SECURE"] and shown["SECURE_SSL_REDIRECT"]
    assert shown["SECURE_HSTS_SECONDS"] > 0 and shown["RATE_LIMIT_ENFORCED"]
    assert "Manifest" in shown["STORAGES"]["staticfiles"]["BACKEND"] and not shown["WHITENOISE_USE_FINDERS"]
    assert shown["LOGGING"]["handlers"]["stderr"]["formatter"] == "json"
    assert not [name for name in shown["INSTALLED_APPS"] if "debug" in name or "extensions" in name]


@pytest.fixture(scope="module")
def alone(tree: Path) -> Iterator[Edge]:
    """nginx with the static files, and nothing behind it."""
    limits = {"EDGE_RATE": "10000r/s"}
    with Edge(free_port(), collected(tree), **limits) as server:
        yield server


@cache
def files(tree: Path) -> list[Path]:
    return sorted(path for path in collected(tree).rglob("*") if path.suffix not in {".gz", ".br", ""})


def unpacked(body: bytes, coding: str) -> bytes:
    whole: bytes = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[coding](body)
    return whole


@proof("the real nginx with no application behind it")
@given(
    pick=st.integers(min_value=0),
    accepts=st.sampled_from(["", "gzip", "gzip, br", "identity", "deflate"]),
    part=st.sampled_from(["", "bytes=0-1", "bytes=5-", "bytes=-3", "bytes=999999999-", "bytes=0-1,4-5"]),
)
def test_property_4_static_files_need_no_application(
    tree: Path, alone: Edge, pick: int, accepts: str, part: str
) -> None:
    """Feature: production-deployment, Property 4: Static File Serving Efficiency

    For any request to static file URLs, Nginx should serve the files directly with appropriate caching headers
    without forwarding to Django
    """
    every = files(tree)
    path = every[pick % len(every)]
    reply = alone.ask(
        f"/static/{path.relative_to(collected(tree))}", headers={"Accept-Encoding": accepts, "Range": part}
    )
    assert reply.status == 200
    coding = (reply.all("Content-Encoding") or [""])[0]
    assert coding in {"", *accepts.split(", ")}
    assert unpacked(reply.body, coding) == path.read_bytes()
    forever = HASHED.search(path.name)
    assert reply["Cache-Control"] == ("public, max-age=31536000, immutable" if forever else "public, max-age=3600")
    assert reply["X-Content-Type-Options"] == "nosniff"


NEVER = (
    "tests/*",
    "docs/*",
    "bench/*",
    "docker/*",
    "nginx/*",
    "bin/*",
    ".*",
    "README*",
    "CHANGELOG*",
    "Makefile",
    "*requirements*",
    "compose*",
)
TOOLS = ("pip", "setuptools", "wheel", "uv", "cython", "ninja", "cmake", "meson", "maturin")


@cache
def copied() -> list[str]:
    """What the stages that end in the application's image take from this folder."""
    stages = re.split(r"^FROM ", (PROJECT / "docker" / "Dockerfile").read_text(), flags=re.MULTILINE)
    by_name = {stage.split()[2]: stage for stage in stages if stage.split()[1:2] == ["AS"]}
    last = by_name["app"]
    taken: list[str] = []
    for line in re.findall(r"^COPY (.+)$", last, re.MULTILINE):
        source = re.match(r"--from=(\w+) (\S+)", line)
        if source is None:
            taken += line.split()[:-1]
        elif source[2] == "/app":
            taken += [
                one
                for words in re.findall(r"^COPY (?!--)(.+)$", by_name[source[1]], re.M)
                for one in words.split()[:-1]
            ]
    return taken


@proof(
    "the files and packages that the Dockerfile's stages hand on to its last",
    boots="make test-stack: the image itself",
    reading="Python needs its modules: no repository, tests, documents, build files or tools, nor anything to install"
    " with; the modules themselves are read-only",
)
@given(data=st.data())
def test_property_5_nothing_that_only_builds_is_handed_on(data: st.DataObject) -> None:
    """Feature: production-deployment, Property 5: Multi-stage Build Optimization

    For any production Docker image build, the final image should not contain build tools, source code, or development
    dependencies
    """
    path = str(data.draw(st.sampled_from(repository())).relative_to(PROJECT))
    goes_in = within(path, copied()) and not within(path, left_out())
    assert not goes_in or path == "manage.py" or path.partition("/")[0] in PARTS, path
    assert not (goes_in and any(fnmatch.fnmatch(path, pattern) for pattern in NEVER)), path
    if path.partition("/")[0] in PARTS and path.endswith(".py"):
        assert goes_in, path
    assert data.draw(st.sampled_from([*sorted(DEV.keys() - LOCK.keys()), *TOOLS])) not in LOCK


def within(path: str, some: list[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in some)


@cache
def left_out() -> list[str]:
    """What .dockerignore keeps from the build although its folder is let in."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and line[0] not in "#!*"]


@cache
def repository() -> list[Path]:
    passed_over = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    return sorted(
        path for path in PROJECT.rglob("*") if path.is_file() and not passed_over & set(path.relative_to(PROJECT).parts)
    )
