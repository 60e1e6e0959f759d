"""Performance and safety: the processes that answer, and what they refuse."""

from __future__ import annotations

import json
import re
import secrets
import signal
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from console.environment import INVALID
from console.start.capacity import MASTER_BYTES, MIB, WORKER_BYTES
from monitoring.asking import State
from tests.console.environment.cast import PRODUCTION
from tests.deploy.conftest import Site
from tests.deploy.containers import HOST
from tests.deploy.edge import HSTS, ONCE, Edge
from tests.deploy.test_capacity import cgroup
from tests.properties import gunicorns, keys, wellness
from tests.properties.edges import ask_alone
from tests.properties.posted import KNOWN, POSTED, STATES, WITH_COOKIE, counted
from tests.properties.proof import booted, proof
from tests.properties.small_database import environment_of
from tests.properties.starts import Starts
from tests.properties.statics import HASHED, address, chosen
from tests.standins.gemini import GeminiStandIn


@proof(
    "Gunicorn's configuration in a new process, under drawn limits", boots="tests/deploy/test_start.py, and the site"
)
@given(
    version=st.sampled_from([1, 2]),
    tenths=st.none() | st.integers(1, 200),
    memory=st.none() | st.integers(100, 8_000),
    allowed=st.integers(1, 64),
)
def test_property_31_as_many_workers_as_there_is_room_for(
    starts: Starts, site: Site, tmp_path_factory: pytest.TempPathFactory, version: int, tenths: int | None,
    memory: int | None, allowed: int,
) -> None:  # fmt: skip
    """Feature: production-deployment, Property 31: Gunicorn Multi-Worker Configuration

    For any application server startup, Gunicorn should run with multiple workers based on CPU core count
    """
    limit = None if memory is None else memory * MIB
    root = cgroup(
        tmp_path_factory.mktemp("cgroup"), version, quota=tenths and tenths * 10_000, period=100_000, memory=limit
    )
    environ = environment_of("postgresql://u:p@127.0.0.1:1/n")
    workers, threaded, _ = starts.value(gunicorns.CONFIGURED, environ, root=str(root), allowed=allowed)
    processors = allowed if tenths is None else min(allowed, max(1, -(-tenths // 10)))
    room = 12 if limit is None else (limit - MASTER_BYTES) // WORKER_BYTES
    assert workers == max(2, min(2 * processors + 1, room, 12)) and threaded
    assert len(gunicorns.processes(site)) == 1 + int(site.environment["WEB_CONCURRENCY"])


@proof("the real nginx, and the real Gunicorn without it")
@given(pick=st.integers(min_value=0), nginx=st.booleans(), accepts=st.sampled_from(["", "gzip"]))
def test_property_32_static_files_are_kept_by_browsers(
    site: Site, edge: Edge, pick: int, nginx: bool, accepts: str
) -> None:
    """Feature: production-deployment, Property 32: Static File Caching

    For any static file served by the application, appropriate caching headers should be set for browser and proxy
    caching
    """
    file = chosen(site.tree, pick)
    asked_for, headers = address(site.tree, file), {"Accept-Encoding": accepts}

    def ask(**more: str) -> tuple[int, dict[str, str]]:
        every = headers | {name.replace("_", "-"): value for name, value in more.items()}
        reply = edge.ask(asked_for, headers=every) if nginx else ask_alone(site, asked_for, headers=every)
        return reply.status, {name.lower(): value for name, value in reply.headers}

    status, told = ask()
    assert status == 200
    kept = told.get("cache-control", "max-age=0")
    age = int(re.findall(r"max-age=(\d+)", kept)[0])
    forever = bool(HASHED.search(file.name))
    assert ("immutable" in kept, "public" in kept) == (forever, True)
    assert age >= 31_536_000 if forever else 0 < age <= 86_400
    if "content-encoding" in told:
        assert "accept-encoding" in told["vary"].lower()
    if "etag" in told:
        assert ask(If_None_Match=told["etag"])[0] == 304
    assert "last-modified" in told
    assert ask(If_Modified_Since=told["last-modified"])[0] == 304


@proof(
    "Gunicorn's own arbiter by our configuration, up to where it would fork",
    boots="the site: the workers share the master's memory",
)
@given(workers=st.integers(2, 12), recycled=st.integers(0, 5_000))
def test_property_33_the_code_is_loaded_before_the_fork(
    starts: Starts, site: Site, workers: int, recycled: int
) -> None:
    """Feature: production-deployment, Property 33: Application Preloading

    For any Gunicorn startup, application code should be preloaded to improve response times
    """
    environ = environment_of("postgresql://u:p@127.0.0.1:1/n")
    environ = environ | {"WEB_CONCURRENCY": str(workers), "MAX_REQUESTS": str(recycled)}
    loaded, master, told = starts.value(gunicorns.LOADED, environ)
    assert (loaded, told) == ([master], workers)
    if recycled % 10 == 0:  # what the site's workers have in common with their master
        for worker in gunicorns.processes(site)[1:]:
            memory = worker.memory_full_info()
            assert memory.rss - memory.uss > 20 * MIB


questions = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.integers(1, 4_000).map(
    lambda n: "word " * n
)


@pytest.fixture(scope="module")
def token(site: Site) -> dict[str, str]:
    cookie = re.search(r"csrftoken=(\w+)", ";".join(ask_alone(site, "/api/chat/").all("Set-Cookie")))
    assert cookie
    return {"Cookie": cookie[0], "X-CSRFToken": cookie[1], "Referer": f"https://{HOST}/"}


@proof(
    "the real Gunicorn with the real model, its memory read after each mix of requests",
    boots="make test-stack: the container's limit",
    reading="the limit is what the number of workers is reckoned by: 150 MiB for the master, 260 MiB for each worker",
)
@given(
    mix=st.lists(questions, min_size=1, max_size=2), page=st.sampled_from(["/", "/admin/login/", "/readyz", "/none"])
)
def test_property_34_memory_stays_within_what_is_reckoned(
    site: Site, token: dict[str, str], mix: list[str], page: str
) -> None:
    """Feature: production-deployment, Property 34: Memory Usage Limits

    For any running application instance, memory usage should stay within configured limits and not cause container
    OOM kills
    """
    for question in mix:
        body = json.dumps({"question": question}).encode()
        reply = ask_alone(site, "/api/chat/", "POST", body=body, headers={**token, "Content-Type": "application/json"})
        assert reply.status in {200, 400, 413}, reply.body
    ask_alone(site, page)
    processes = gunicorns.processes(site)
    used = sum(one.memory_full_info().pss for one in processes)
    assert used <= MASTER_BYTES + (len(processes) - 1) * WORKER_BYTES, f"{used / MIB:.0f} MiB"


@proof(
    "the health endpoints of the real code before dependencies in drawn states; in every tenth example the real"
    " Gunicorn, ended while it answers several",
    boots="the product itself ends with 0",
    reading="not ready where database or migrations fail, ready but degraded for all else; liveness asks nobody",
)
@given(
    wanted=wellness.states,
    method=st.sampled_from(["GET", "HEAD"]),
    durations=st.lists(st.integers(0, 12).map(lambda tenths: tenths / 10), min_size=1, max_size=6),
    by=st.sampled_from([None] * 9 + [signal.SIGTERM]),
)
def test_property_35_who_is_being_answered_is_answered(
    starts: Starts, wanted: dict[str, str], method: str, durations: list[float], by: int | None
) -> None:
    """Feature: production-deployment, Property 35: Graceful Shutdown and Health Checks

    For any shutdown signal or health check request, the application should respond appropriately and handle graceful
    shutdowns
    """
    with wellness.dependencies(wanted) as asked:
        assert Client().generic(method, "/healthz").status_code == 200 and not asked
        ready = Client().generic(method, "/readyz")
        told = ready.json() if method == "GET" else None
    critical = {wellness.TOLD[wanted[name]] for name in wellness.CRITICAL}
    assert ready.status_code == (200 if critical == {State.OK} else 503)
    if told:
        assert told["checks"] == {name: wellness.TOLD[state] for name, state in wanted.items()}
        assert wellness.MARK not in ready.content.decode()
        well = set(told["checks"].values()) <= {"ok", "off"}
        assert told["status"] == ("failed" if ready.status_code == 503 else "ok" if well else "degraded")
    if by is not None:
        booted(35)
        environ = environment_of("postgresql://u:p@127.0.0.1:1/n") | {"WEB_CONCURRENCY": "2"}
        environ |= {"DJANGO_SETTINGS_MODULE": "console.settings"}
        end = starts.one(gunicorns.SHUT, environ, durations=durations, by=by)
        assert end.status == 0, end.text
        assert f"ANSWERED {len(durations)} OF {len(durations)}\n" in end.out, end.text


MARKERS = (
    "Traceback",
    "DEBUG = True",
    "urlconf",
    "URLconf",
    "site-packages",
    'File "',
    "django.core",
    "sqlite",
    "SECRET_KEY",
)
paths = st.lists(st.from_regex(r"[A-Za-z0-9_.~%-]{1,12}", fullmatch=True), min_size=1, max_size=4).map(
    lambda one: "/" + "/".join(one)
)


@proof("the real Gunicorn asked for what is not there, and the environment asked to be in debug mode")
@given(
    address=paths,
    query=st.sampled_from(["", "?debug=1", "?debug", "?__debug__=on", "?DEBUG=True"]),
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "PROPFIND", "DELETE"]),
    debug=st.sampled_from(["1", "True", "true", "TRUE", "on", "yes", "y", "t", "2", "debug", " true "]),
)
def test_property_36_there_is_no_debug_mode(
    starts: Starts, site: Site, address: str, query: str, method: str, debug: str
) -> None:
    """Feature: production-deployment, Property 36: Debug Mode Disabled

    For any production deployment, Django DEBUG setting should be False and debug information should not be exposed
    """
    reply = ask_alone(site, address + query, method)
    told = reply.body.decode(errors="replace")
    assert 300 <= reply.status < 500 and not [one for one in MARKERS if one in told], told
    refused = starts.one("from console.environment import current; current()", {**PRODUCTION, "DEBUG": debug})
    assert refused.status == INVALID and "DEBUG" in refused.err


class TestCsrf(TestCase):
    @proof("every address of the product, as the URLs list them")
    @given(
        address=st.sampled_from(POSTED),
        state=st.sampled_from(sorted(STATES)),
        member=st.booleans(),
        body=st.sampled_from(["", "{}", "a=b"]),
    )
    def test_property_37_no_post_without_its_token(self, address: str, state: str, member: bool, body: str) -> None:
        """Feature: production-deployment, Property 37: CSRF Protection

        For any POST request without proper CSRF token, the application should reject the request with appropriate
        error response
        """
        client = Client(enforce_csrf_checks=True)
        if member:
            client.force_login(User.objects.create_superuser(f"user-{secrets.token_hex(4)}"))
        if state in WITH_COOKIE:
            client.cookies["csrftoken"] = KNOWN
        before = counted()
        reply = client.post(
            address,
            body,
            content_type="application/json" if body == "{}" else "application/x-www-form-urlencoded",
            headers=STATES[state],
        )
        assert reply.status_code in {403, 404, 405}, (address, reply.status_code)
        assert reply.status_code == 403 or (not address.startswith(("/admin/", "/api/chat")) and address != "/"), (
            address
        )
        assert counted() == before


DIRECTIVE = re.compile(r"[a-z-]+( ('[a-z-]+'|'sha256-[A-Za-z0-9+/=]+'|data:))*")
known = st.sampled_from(
    ["/", "/admin/", "/admin/login/", "/api/chat/", "/api/openapi.json", "/healthz", "/metrics", "/static/none"]
)


@proof("the real Gunicorn alone, and through the real nginx", reading="HSTS in every answer over HTTPS, and only there")
@given(
    address=known | paths.filter(lambda one: "%" not in one),
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    query=st.sampled_from(["", "?a=b"]),
)
def test_property_38_every_answer_bears_its_headers(
    site: Site, edge: Edge, address: str, method: str, query: str
) -> None:
    """Feature: production-deployment, Property 38: Security Headers

    For any HTTP response, security headers (HSTS, CSP, X-Content-Type-Options, etc.) should be present
    """
    through = edge.ask(address + query, method)
    assert {name: len(through.all(name)) for name in ONCE} == dict.fromkeys(ONCE, 1)
    assert through["Strict-Transport-Security"] == HSTS
    alone = ask_alone(site, address + query, method)
    for reply in (through, alone):
        assert (
            reply.all("X-Content-Type-Options") == ["nosniff"]
            and "max-age=63072000" in reply["Strict-Transport-Security"]
        )
        for policy in reply.all("Content-Security-Policy"):
            assert all(DIRECTIVE.fullmatch(one.strip()) for one in policy.split(";") if one.strip()), policy
            assert "default-src" in policy and "frame-ancestors 'none'" in policy


@proof(
    "a new process, its keys by variable and by file, seen at Gemini's door and in a signature; every file"
    " of the repository looked through",
    boots="the image's layers looked through",
)
@given(
    given_keys=st.lists(st.from_regex(r"[A-Za-z0-9_-]{20,39}", fullmatch=True), min_size=3, max_size=3, unique=True),
    by_file=st.sets(st.sampled_from(keys.NAMES)),
    wrong=st.booleans(),
    pick=st.integers(0, 9),
)
def test_property_39_keys_come_from_outside(
    starts: Starts, tmp_path_factory: pytest.TempPathFactory, gemini_door: GeminiStandIn,
    given_keys: list[str], by_file: set[str], wrong: bool, pick: int,
) -> None:  # fmt: skip
    """Feature: production-deployment, Property 39: Environment Variable Secret Loading

    For any API key or secret configuration, values should be loaded from environment variables and not hardcoded in
    source code
    """
    gemini, signing, qdrant = given_keys[0], f"{given_keys[1]}-abcdefghijklmnopqrst-{given_keys[1]}", given_keys[2]
    environ = {key: value for key, value in PRODUCTION.items() if key not in keys.NAMES}
    environ |= {"GEMINI_BASE_URL": gemini_door.url}
    for name, value in zip(keys.NAMES, (gemini, signing, qdrant), strict=True):
        if name in by_file:
            (file := tmp_path_factory.mktemp("secret") / name).write_text(value + "\n")
        environ |= {f"{name}_FILE": str(file)} if name in by_file else {name: value}
    gemini_door.api_key = f"{gemini}-other" if wrong else gemini
    signed = Signer(key=signing, salt="keys").sign("word")
    assert starts.value(keys.USED, environ) == {
        "gemini": "auth" if wrong else "taken",
        "qdrant": qdrant,
        "signed": signed,
    }
    for name, text in keys.texts()[pick::10]:
        assert not keys.key_in(text), name


@pytest.fixture(scope="module")
def gemini_door() -> Iterator[GeminiStandIn]:
    with GeminiStandIn() as standin:
        yield standin


labels = st.from_regex(r"[a-z0-9-]{1,10}", fullmatch=True)
hosts = st.one_of(
    st.sampled_from(
        [HOST, HOST.upper(), f"{HOST}:443", f"{HOST}:8443", f"{HOST}.", f"{HOST}.evil.net", f"evil-{HOST}"]
    ),
    st.lists(labels, min_size=1, max_size=3).map(".".join),
    labels.map(lambda one: f"{one}.{HOST}"),
    st.sampled_from(
        ["127.0.0.1:99", "[::1]", "localhost", "xn--e1aybc.example", "a@b", f"{HOST}:x", "169.254.169.254"]
    ),
)


def ours(host: str) -> bool:
    return bool(re.fullmatch(rf"{re.escape(HOST)}\.?(:\d+)?", host, re.IGNORECASE))


@proof("the real Gunicorn alone, and the real nginx before it")
@given(host=hosts, address=st.sampled_from(["/", "/admin/login/", "/api/chat/", "/none"]))
def test_property_40_only_its_own_names_are_answered(site: Site, edge: Edge, host: str, address: str) -> None:
    """Feature: production-deployment, Property 40: Host Validation

    For any HTTP request with invalid Host header, the application should reject the request when not in the
    ALLOWED_HOSTS list
    """
    alone = ask_alone(site, address, host=host)
    assert (alone.status != 400) == ours(host), alone.status
    if not ours(host):
        # Nothing of it is shown; short ones stand there by chance.
        assert len(host) < 8 or host.encode() not in alone.body
        through = edge.ask(address, host=host)
        served = re.fullmatch(r"(.*\.)?other\.example\.org|127\.0\.0\.1", host.partition(":")[0])
        assert through.status in {400, 421} or served, (host, through.status)
