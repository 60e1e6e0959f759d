"""Web server and orchestration: what nginx does with a request, and how the services find and await each other."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.environment import load
from tests.deploy.conftest import PLENTY
from tests.deploy.containers import HOST
from tests.deploy.echo import Echo
from tests.deploy.edge import HSTS, LINE, ONCE, Edge, Reply, arrived, parsed
from tests.properties import listening, naming
from tests.properties.composed import compose, deployments, handed_to, networks, published, with_secrets
from tests.properties.handshakes import GOOD, VERSIONS, WEAK, shaken
from tests.properties.orchestra import TIMED, Arrival, arrivals
from tests.properties.proof import booted, proof
from tests.properties.small_database import at, becoming, environment_of
from tests.properties.starts import Starts
from tests.properties.statics import address, chosen, collected
from tests.servers import Postgresql, Qdrant, Redis

STACK = "make test-stack: the containers themselves"
START = "tests/deploy/test_start.py: the entrypoint before servers that come late"
askers = count(1)


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def mirror(echo: Echo, tree: Path) -> Iterator[Edge]:
    """nginx before something that tells what it was asked."""
    with Edge(echo.port, collected(tree), **PLENTY) as edge:
        yield edge


parts = st.from_regex(r"[A-Za-z0-9_~=&-]{1,12}", fullmatch=True)
names = st.from_regex(r"X-[A-Z][a-z]{2,8}", fullmatch=True)


@proof("the real nginx before an upstream that tells what reached it", boots="tests/deploy/test_nginx.py: the product")
@given(
    address=st.lists(parts, min_size=1, max_size=4),
    query=st.lists(parts, max_size=3),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    body=st.binary(max_size=2_000),
    headers=st.dictionaries(names, parts, max_size=4),
)
def test_property_21_every_request_arrives_as_it_was_sent(
    mirror: Edge, address: list[str], query: list[str], method: str, body: bytes, headers: dict[str, str]
) -> None:
    """Feature: production-deployment, Property 21: Request Forwarding

    For any HTTP request to application endpoints, Nginx should successfully forward the request to the Django
    application
    """
    path = "/x/" + "/".join(address) + ("?" + "&".join(query) if query else "")
    reply = mirror.ask(path, method, body=body if method != "GET" else None, headers=headers)
    seen = json.loads(reply.body)
    assert (reply.status, seen["path"], seen["method"]) == (200, path, method)
    assert seen["sha256"] == hashlib.sha256(body if method != "GET" else b"").hexdigest()
    for name, value in headers.items():
        assert arrived(reply, name) == [value]
    assert arrived(reply, "X-Forwarded-For") == ["127.0.0.1"] and arrived(reply, "X-Forwarded-Proto") == ["https"]


@proof("the real nginx before an upstream that counts what it is asked")
@given(pick=st.integers(min_value=0), known=st.booleans(), method=st.sampled_from(["GET", "HEAD"]), etag=st.booleans())
def test_property_22_the_application_is_not_asked_for_files(
    tree: Path, echo: Echo, mirror: Edge, pick: int, known: bool, method: str, etag: bool
) -> None:
    """Feature: production-deployment, Property 22: Direct Static File Serving

    For any static file request, Nginx should serve the file directly without forwarding to Django, and include
    appropriate caching headers
    """
    path = chosen(tree, pick)
    asked_for = address(tree, path)
    before = len(echo.asked)
    if not known:  # what this machine does not have, the application may have
        assert mirror.ask(f"{asked_for}.none", method).status == 200
        assert echo.asked[before:] == [f"{asked_for}.none"]
        return
    reply = mirror.ask(asked_for, method)
    assert reply.status == 200 and reply.body == (path.read_bytes() if method == "GET" else b"")
    assert re.fullmatch(r"public, max-age=(3600|31536000, immutable)", "".join(reply.all("Cache-Control")))
    if etag:
        assert mirror.ask(asked_for, method, headers={"If-None-Match": reply["ETag"]}).status == 304
    assert len(echo.asked) == before


@proof("handshakes with the real nginx")
@given(
    version=st.sampled_from([*VERSIONS, *[ssl.TLSVersion.TLSv1_2] * 3]),
    ciphers=st.sampled_from([GOOD + WEAK, WEAK]).flatmap(
        lambda some: st.lists(st.sampled_from(some), min_size=1, max_size=4, unique=True)
    ),
    name=st.sampled_from(["faq.example.org", "other.example.org", "stranger.example.net"]),
)
def test_property_23_only_what_is_safe_is_spoken(
    mirror: Edge, version: ssl.TLSVersion, ciphers: list[str], name: str
) -> None:
    """Feature: production-deployment, Property 23: SSL Configuration

    For any HTTPS-enabled deployment, Nginx should enforce HTTPS redirects and implement proper SSL configuration
    """
    agreed = shaken(mirror, version, ciphers, name)
    safe = version == ssl.TLSVersion.TLSv1_3 or (version == ssl.TLSVersion.TLSv1_2 and set(ciphers) & set(GOOD))
    assert agreed == (version.name.replace("_", ".") if safe else None)
    assert mirror.ask("/", tls=False).status == 308


DOORS = {"/api/chat/": 16 * 1024, "/elsewhere": 64 * 1024, "/admin/faq/entry/import/": 11 * 1024 * 1024}


@proof("the real nginx before an upstream that hashes what arrives")
@given(
    door=st.sampled_from(["/api/chat/", "/elsewhere"] * 5 + ["/admin/faq/entry/import/"]),
    share=st.integers(0, 130),
    off=st.integers(-1, 1),
    chunked=st.booleans(),
)
def test_property_24_what_fits_arrives_and_what_does_not_is_refused(
    mirror: Edge, door: str, share: int, off: int, chunked: bool
) -> None:
    """Feature: production-deployment, Property 24: Large File Handling

    For any file upload within configured size limits, Nginx should handle the upload efficiently without errors
    """
    size = max(0, DOORS[door] * share // 100 + off)
    body = hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1)
    sent: Any = iter([body[:size]]) if chunked and size else body[:size]
    reply = mirror.ask(door, "POST", body=sent)
    if size > DOORS[door]:
        assert reply.status == 413 and reply["X-Request-ID"]
        assert door != "/api/chat/" or json.loads(reply.body)["error"]["code"] == "body_too_large"
        return
    seen = json.loads(reply.body)
    assert (reply.status, seen["sha256"]) == (200, hashlib.sha256(body[:size]).hexdigest())


def asked(edge: Edge, kind: str, path: str) -> Reply:
    """One of the kinds of answer that nginx gives by itself or passes on."""
    if kind == "raw":
        return parsed(edge.raw(f"TRACE /{path} HTTP/1.1\r\n".encode() + LINE + b"\r\n"))
    if kind == "rubbish":
        return parsed(edge.raw(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"))
    if kind == "stranger":
        return edge.ask(f"/{path}", host=f"{path.lower()}.example.net")
    if kind == "large":
        return edge.ask(f"/api/{path}", "POST", body=b"x" * 20_000)
    return edge.ask(
        {"page": f"/{path}", "api": f"/api/{path}", "static": f"/static/{path}", "metrics": "/metrics"}[kind]
    )


@pytest.fixture(scope="module")
def limited(echo: Echo, tree: Path) -> Iterator[Edge]:
    """Askers are told apart by what the proxy in front says of them, so that each example has its own allowance."""
    limits = {"EDGE_RATE_QUESTIONS": "1r/m", "EDGE_BURST_QUESTIONS": "3", "EDGE_TRUSTED_PROXIES": "127.0.0.1"}
    with Edge(echo.port, collected(tree), **{**PLENTY, **limits}) as edge:
        yield edge


@proof("the real nginx", boots="tests/deploy/test_nginx.py: 35 kinds of answer with the product behind it")
@given(
    kind=st.sampled_from(["page", "api", "static", "metrics", "raw", "rubbish", "stranger", "large"]),
    path=st.from_regex(r"[a-z]{1,12}", fullmatch=True),
    burst=st.integers(1, 9),
)
def test_property_25_headers_once_and_no_more_than_the_rate(
    mirror: Edge, limited: Edge, kind: str, path: str, burst: int
) -> None:
    """Feature: production-deployment, Property 25: Security Headers Implementation

    For any HTTP response, Nginx should include security headers (HSTS, CSP, X-Frame-Options) and implement rate
    limiting
    """
    reply = asked(mirror, kind, path)
    assert {name: len(reply.all(name)) for name in ONCE} == dict.fromkeys(ONCE, 1)
    assert reply["Strict-Transport-Security"] == HSTS
    number = next(askers)
    asker = {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"}
    replies = [limited.ask("/api/chat/", "POST", body=b"{}", headers=asker) for _ in range(burst)]
    passed = min(burst, 4)
    assert [one.status for one in replies] == [200] * passed + [429] * (burst - passed)
    assert all(int(one["Retry-After"]) >= 1 for one in replies[passed:])


@pytest.fixture(scope="module")
def small(postgresql: Postgresql) -> str:
    return postgresql.new_database("properties_orchestra")


@proof("the entrypoint with a clock of its own, services that come one after the other", boots=f"{START}; {STACK}")
@given(arrival=arrivals, role=st.sampled_from(["web", "worker"]))
def test_property_26_whatever_comes_when_all_is_ready_in_the_end(
    starts: Starts, small: str, arrival: Arrival, role: str
) -> None:
    """Feature: production-deployment, Property 26: Service Orchestration

    For any docker-compose up command, all defined services (nginx, app, db, redis) should start successfully and
    reach ready state
    """
    at(small, 0)
    end = starts.one(becoming(TIMED.replace("{arrival}", repr(arrival))), environment_of(small), role)
    if arrival["database"] > 120:
        assert end.status == 75, end.text  # for the restart policy, which begins anew
        return
    assert end.status == 0 and "BECOMES" in end.out, end.text
    (ready,) = re.findall(r"READY AFTER ([\d.]+)", end.out)
    # Not long after the last one that it cannot do without; the others hold it up for moments only.
    assert arrival["database"] <= float(ready) <= arrival["database"] + 5 + 2 * 5


@proof("the entrypoint with a clock of its own, every query told", boots=f"{START}; {STACK}")
@given(arrival=arrivals.filter(lambda one: one["database"] < 100), role=st.sampled_from(["web", "worker"]))
def test_property_27_nothing_is_asked_of_what_is_not_there_yet(
    starts: Starts, small: str, arrival: Arrival, role: str
) -> None:
    """Feature: production-deployment, Property 27: Startup Dependency Order

    For any service startup, dependent services should wait for their dependencies (app waits for db, nginx waits for
    app)
    """
    at(small, 3)
    end = starts.one(becoming(TIMED.replace("{arrival}", repr(arrival))), environment_of(small), role)
    assert end.status == 0, end.text
    queries = [float(one) for one in re.findall(r"^QUERY AT ([\d.]+)", end.out, re.MULTILINE)]
    assert queries and min(queries) >= arrival["database"]
    told = [line for line in end.out.splitlines() if line.startswith(("QUERY", "READY"))]
    assert told[-1].startswith("READY")  # and only then does it listen, which nginx waits for


@pytest.fixture(scope="module")
def movable(echo: Echo, tree: Path) -> Iterator[Edge]:
    with Edge(echo.port, collected(tree), **PLENTY) as edge:
        yield edge


@proof(
    "Gunicorn's own sockets by our configuration; the real nginx moved to other ports in every sixth example",
    boots="the stack's own port",
)
@given(
    inside=st.integers(0, 9),
    outside=st.lists(st.integers(10, 19), min_size=2, max_size=2, unique=True),
    last=st.integers(1, 254),
    variable=st.sampled_from(["PORT", "PORT_FILE"]),
    moves=st.sampled_from([True, *[False] * 5]),
)
def test_property_28_it_listens_where_it_is_told_and_nowhere_else(
    starts: Starts, movable: Edge, tmp_path_factory: pytest.TempPathFactory, inside: int, outside: list[int],
    last: int, variable: str, moves: bool,
) -> None:  # fmt: skip
    """Feature: production-deployment, Property 28: Port Exposure

    For any successful deployment, the application should be accessible on the configured external port
    """
    port, http, https = (listening.pool()[one] for one in (inside, *outside))
    given_ = str(port)
    if variable == "PORT_FILE":
        file = tmp_path_factory.mktemp("port") / "port"
        file.write_text(f"{port}\n")
        given_ = str(file)
    environ = {key: value for key, value in environment_of("postgresql://u:p@h/n").items() if key != "PORT"}
    found = starts.value(listening.LISTENING, environ | {variable: given_, "HOST": f"127.0.0.{last}"})
    assert found == [[f"127.0.0.{last}", port]]
    if moves:
        booted(28)
        listening.move(movable, http, https)
        assert listening.open_ports() == {http, https}
        assert json.loads(movable.ask("/there").body)["path"] == "/there"
        assert movable.ask("/there", tls=False)["Location"] == f"https://{HOST}:{https}/there"


@pytest.fixture(scope="module")
def qdrant() -> Iterator[Qdrant]:
    with Qdrant() as server:
        yield server


@proof(
    "the product's own clients before real servers that are known by drawn names only, in a namespace's hosts",
    boots="the containers' own names",
    reading="and only where they have business: what faces askers or looks on shares no network with the data",
)
@given(named=naming.names, known=st.sets(st.sampled_from(naming.SERVICES)), pair=st.data())
def test_property_29_services_are_reached_by_name(
    starts: Starts, postgresql: Postgresql, redis: Redis, qdrant: Qdrant, named: dict[str, str], known: set[str],
    pair: st.DataObject,
) -> None:  # fmt: skip
    """Feature: production-deployment, Property 29: Internal Service Communication

    For any inter-service communication, services should be able to communicate using Docker Compose service names
    """
    environ = naming.addressed(named, postgresql, redis, qdrant)
    hosts = [named[one] for one in sorted(known)]
    reached = starts.value(naming.NAMED + naming.REACHED, environ, known=hosts)
    assert reached == {service: service in known for service in naming.SERVICES}
    one, other = (pair.draw(st.sampled_from(sorted(compose()["services"]))) for _ in range(2))
    meet = networks(one) & networks(other)
    assert not (meet and {one, other} & STORES and {one, other} & STRANGERS), (one, other)
    assert meet or not NEEDED & {(one, other), (other, one)}, (one, other)


STORES = {"db", "redis", "qdrant"}
STRANGERS = {"nginx", "prometheus", "alertmanager", "grafana"}
NEEDED = {(role, service) for role in ("app", "worker") for service in ("db", "redis", "qdrant")} | {
    ("nginx", "app"),
    ("prometheus", "app"),
    ("prometheus", "alertmanager"),
}


@proof(
    "what the Compose files hand to each container, read by the application's own environment",
    boots="make test-stack: docker compose reads the .env of docker/prepare",
)
@given(
    environ=deployments, kind=st.sampled_from(["production", "development"]), role=st.sampled_from(["app", "worker"])
)
def test_property_30_what_a_deployment_sets_reaches_the_application(
    environ: dict[str, str], kind: str, role: str
) -> None:
    """Feature: production-deployment, Property 30: Configuration Environment Support

    For any deployment configuration (development or production), Docker Compose should support the appropriate
    environment-specific settings
    """
    environment = load(with_secrets(handed_to(role, kind, environ)))
    assert kind == environment.DJANGO_ENV
    assert (kind == "development" and role == "app") == environment.DEBUG
    for name, value in environ.items():
        told = getattr(environment, name)
        assert (",".join(told) if isinstance(told, tuple) else str(told)).lower() == value.lower(), name
    opened = published(kind, environ)
    assert opened.keys() == {"nginx", "grafana"} | (
        {"app", "db", "redis", "qdrant"} if kind == "development" else set()
    )
    assert all(port.startswith("127.0.0.1:") for service in opened.keys() - {"nginx"} for port in opened[service])
