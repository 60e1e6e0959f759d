"""Application configuration: its database, its static files, its errors, its environment and HTTPS."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, override_settings
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st

from console import environment
from console.environment import INVALID, load
from console.urls import handler500 as handler500
from tests.console.environment.cast import PRODUCTION
from tests.deploy.conftest import Site
from tests.deploy.containers import HOST
from tests.deploy.edge import Edge
from tests.properties.edges import ask_alone
from tests.properties.proof import proof
from tests.properties.starts import Starts
from tests.properties.statics import YEAR, address, age_of, chosen, unpacked

words = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
VENDOR = "from django.db import connection\nresult = [connection.vendor, connection.settings_dict['NAME']]"
addresses = st.one_of(
    st.tuples(st.sampled_from(["postgres", "postgresql"]), words, words).map(
        lambda one: f"{one[0]}://{one[1]}/{one[2]}"
    ),
    words.map(lambda name: f"sqlite:///{name}.sqlite3"),
    words.map(lambda name: f"sqlite:////tmp/{name}"),
    st.tuples(st.sampled_from(["mysql", "oracle", "mssql", "file", "http"]), words).map(
        lambda one: f"{one[0]}://h/{one[1]}"
    ),
    st.sampled_from(["", " ", "sqlite://", "sqlite:///:memory:", "nonsense"]),
)


@proof("the database connection of a new process", boots="tests/deploy: the site stands on PostgreSQL")
@given(url=addresses, kind=st.sampled_from(["production", "staging"]))
def test_property_6_only_postgresql(starts: Starts, url: str, kind: str) -> None:
    """Feature: production-deployment, Property 6: Database Backend Selection

    For any production environment configuration, the Django application should use PostgreSQL as the database
    backend, not SQLite
    """
    end = starts.one(
        f"{VENDOR}\nprint(*result)", {**PRODUCTION, "DJANGO_ENV": kind, "DATABASE_URL": url, "DB_ENGINE": "sqlite3"}
    )
    if re.match("postgres(ql)?://", url):
        assert (end.status, end.out.split()) == (0, ["postgresql", url.rpartition("/")[2]]), end.text
    else:
        assert end.status == INVALID, end.text
        assert "DATABASE_URL" in end.err


@proof("the real Gunicorn without nginx before it")
@given(pick=st.integers(min_value=0), accepts=st.sampled_from(["", "gzip", "br", "gzip, br"]), known=st.booleans())
def test_property_7_the_application_serves_them_alone(site: Site, pick: int, accepts: str, known: bool) -> None:
    """Feature: production-deployment, Property 7: WhiteNoise Static File Middleware

    For any Django application startup, WhiteNoise should be properly configured in the middleware stack for static
    file serving
    """
    file = chosen(site.tree, pick, hashed=True)
    asked = address(site.tree, file) if known else f"/static/{file.stem}.none{pick}"
    reply = ask_alone(site, asked, headers={"Accept-Encoding": accepts})
    assert not reply.all("Set-Cookie")
    if not known:
        assert reply.status == 404
        return
    coding = (reply.all("Content-Encoding") or [""])[0]
    assert (reply.status, unpacked(reply.body, coding)) == (200, file.read_bytes())
    packed = (file.parent / f"{file.name}.gz").exists()
    assert coding in {"", *accepts.split(", ")} and (coding or not packed or not accepts)
    assert "immutable" in reply["Cache-Control"] and age_of(reply) >= YEAR


# --- errors ---------------------------------------------------------------------------------------------------------

KINDS = (ValueError, KeyError, RuntimeError, ConnectionError, OperationalError, ProgrammingError, ImproperlyConfigured)
failing: list[Exception] = []


def fail() -> str:
    raise failing[-1] from (failing[-2] if len(failing) > 1 else None)


def view(request: HttpRequest) -> HttpResponse:
    private = "l0cal-variable"
    return HttpResponse(fail() + private)


def template(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template("{{ fail }}").render(Context({"fail": fail})))


urlpatterns = [path("boom/", view), path("api/boom/", view), path("admin/boom/", template), path("template/", template)]


@pytest.fixture
def with_secrets() -> Iterator[None]:
    before = environment.current()
    environment.use(load(PRODUCTION))
    yield
    environment.use(before)


@proof(
    "the middleware, error views and templates, in a test's own URLs", boots="tests/deploy: no error page of the edge"
)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    where=st.sampled_from(["/boom/", "/api/boom/", "/admin/boom/", "/template/"]),
    mark=st.from_regex(r"canary-[a-z0-9]{12}", fullmatch=True),
    accept=st.sampled_from(["text/html", "application/json", "*/*", "text/plain"]),
)
@pytest.mark.usefixtures("with_secrets")
def test_property_8_an_error_tells_nothing(kinds: list[type[Exception]], where: str, mark: str, accept: str) -> None:
    """Feature: production-deployment, Property 8: Production Error Handling

    For any application error in production mode (DEBUG=False), error responses should not expose sensitive
    information like stack traces or settings
    """
    said = f"{mark} SELECT * FROM auth_user; password=passw0rd at /srv/app/rag/x.py"
    failing[:] = [kind(said) for kind in kinds]
    with override_settings(ROOT_URLCONF=__name__, DEBUG=False, ALLOWED_HOSTS=["testserver"]):
        reply = Client(raise_request_exception=False).get(where, headers={"Accept": accept})
    assert reply.status_code in {500, 503}
    told = reply.content.decode() + str(reply.headers)
    hidden = (
        mark,
        "SELECT",
        "passw0rd",
        "Traceback",
        ".py",
        "l0cal-variable",
        "settings",
        *(one.__name__ for one in KINDS),
    )
    assert not [one for one in hidden if one in told], told
    assert reply["X-Request-ID"] and reply["X-Request-ID"] != "-"


REQUIRED = ("SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL")
PARTS = ("DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST")
REPORT = "import runpy, sys; sys.argv = ['environment']; runpy.run_module('console.environment', run_name='__main__')"


@proof("`python -m console.environment`, as each start reads it", boots="tests/deploy/test_start.py")
@given(
    gone=st.sets(st.sampled_from(REQUIRED + PARTS)),
    kind=st.sampled_from(["production", "staging"]),
    blank=st.sampled_from([None, "", "  "]),
)
def test_property_9_all_that_is_missing_is_told_at_once(
    starts: Starts, gone: set[str], kind: str, blank: str | None
) -> None:
    """Feature: production-deployment, Property 9: Environment Variable Validation

    For any application startup, missing required environment variables should cause startup failure with clear,
    descriptive error messages
    """
    whole = {**PRODUCTION, "DJANGO_ENV": kind, "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p", "DB_HOST": "h"}
    del whole["DATABASE_URL"]
    given_ = {name: value for name, value in whole.items() if name not in gone}
    end = starts.one(REPORT, given_ | ({} if blank is None else dict.fromkeys(gone, blank)))
    assert end.status == (INVALID if gone else 0), end.text
    told = re.findall(r"^  - (\w+) is required .*?\. (?:Give|Make)", end.err, re.MULTILINE)
    assert sorted(told) == sorted(gone)
    assert end.err.count("\n  - ") == len(gone) and "Traceback" not in end.err


addresses_of = st.lists(st.from_regex(r"[A-Za-z0-9_~-]{1,8}", fullmatch=True), max_size=4).map(
    lambda one: "/" + "/".join(one)
)
queries = st.sampled_from(["", "?a=b", "?next=%2Fadmin%2F", "?x=1&y=%20"])


@proof(
    "the real nginx before the real Gunicorn, and Gunicorn alone",
    reading="HSTS only over HTTPS, as RFC 6797 asks: over HTTP there is nothing but the way to HTTPS",
)
@given(address=addresses_of, query=queries, method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]))
def test_property_10_http_leads_to_https(site: Site, edge: Edge, address: str, query: str, method: str) -> None:
    """Feature: production-deployment, Property 10: HTTPS Enforcement

    For any HTTP request in production, the application should redirect to HTTPS and set appropriate security headers
    """
    asked = address + query
    at_the_edge = edge.ask(asked, method, tls=False)
    assert (at_the_edge.status, at_the_edge.all("Location")) == (308, [f"https://{HOST}:{edge.port}{asked}"])
    assert not at_the_edge.all("Strict-Transport-Security")
    if address not in {"/healthz", "/readyz", "/metrics"}:
        alone = ask_alone(site, asked, method, https=False)
        assert (alone.status, alone.all("Location")) == (301, [f"https://{HOST}{asked}"])
    secure = ask_alone(site, asked, method)
    assert secure.status not in {301, 308} or not secure["Location"].startswith("https://")
    assert secure["Strict-Transport-Security"].startswith("max-age=63072000")
    assert secure["X-Content-Type-Options"] == "nosniff" and secure["X-Frame-Options"] == "DENY"
