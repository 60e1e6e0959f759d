"""Container and build: what is in the image, and what happens before it serves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.conftest import PARTS
from tests.deploy.edge import Edge
from tests.properties import images
from tests.properties.images import DEV, INSTALLED, LOCK, TOOLS
from tests.properties.proof import proof
from tests.properties.small_database import at, becoming, environment_of, marks, variations
from tests.properties.starts import Starts
from tests.properties.statics import HASHED, address, chosen, collected, unpacked
from tests.servers import Postgresql, free_port


@proof(
    "a process beside the tests, installed from the same lock by the same command",
    boots="tests/properties/test_containers.py: the image itself",
    reading="each package of the lock is in the image, in its version; parts of packages that nothing loads"
    " (docker/unused-packages) are not",
)
@given(names=st.lists(st.sampled_from(sorted(LOCK)), min_size=8, max_size=12, unique=True), pick=st.integers(0, 10**6))
def test_property_1_what_the_code_imports_is_in_the_lock_and_installed(
    starts: Starts, names: list[str], pick: int
) -> None:
    """Feature: production-deployment, Property 1: Container Dependency Completeness

    For any Docker build of the application, all Python dependencies listed in requirements.txt should be successfully
    installed and available in the container
    """
    modules = images.modules()[pick % 5 :: 5]
    for module in modules:
        assert images.distributions_of(module) & {name.lower() for name in LOCK}, f"{module} is in no lock"
    given_by = starts.value(INSTALLED, names=names, module=modules[pick % len(modules)])
    assert given_by == {name: LOCK[name] for name in names}


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
    path = chosen(tree, pick)
    reply = alone.ask(address(tree, path), headers={"Accept-Encoding": accepts, "Range": part})
    assert reply.status == 200
    coding = (reply.all("Content-Encoding") or [""])[0]
    assert coding in {"", *accepts.split(", ")}
    assert unpacked(reply.body, coding) == path.read_bytes()
    forever = HASHED.search(path.name)
    assert reply["Cache-Control"] == ("public, max-age=31536000, immutable" if forever else "public, max-age=3600")
    assert reply["X-Content-Type-Options"] == "nosniff"


@proof(
    "the files and packages that the Dockerfile's stages hand on to its last",
    boots="tests/properties/test_containers.py: every layer of the image; make test-stack",
    reading="Python needs its modules: no repository, tests, documents, build files or tools, nor anything to install"
    " with; the modules themselves are read-only",
)
@given(
    path=st.deferred(lambda: st.sampled_from(images.repository())),
    tool=st.sampled_from([*sorted(DEV.keys() - LOCK.keys()), *TOOLS]),
)
def test_property_5_nothing_that_only_builds_is_handed_on(path: str, tool: str) -> None:
    """Feature: production-deployment, Property 5: Multi-stage Build Optimization

    For any production Docker image build, the final image should not contain build tools, source code, or development
    dependencies
    """
    goes_in, top = images.goes_in(path), path.partition("/")[0]
    assert not goes_in or path == "manage.py" or top in PARTS, path
    assert not (goes_in and images.forbidden(path)), path
    if top in PARTS and path.endswith(".py"):
        assert goes_in, path
    assert tool not in LOCK
