"""Performance and safety: the processes that answer, and what they refuse."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from console.environment import INVALID
from console.start.capacity import MASTER_BYTES, MIB, WORKER_BYTES
from faq.models import Category, Entry
from rag.models import Receipt
from tests.console.environment.cast import PRODUCTION
from tests.deploy.conftest import Site
from tests.deploy.containers import HOST
from tests.deploy.edge import HSTS, ONCE, Edge
from tests.deploy.test_capacity import cgroup
from tests.properties.edges import ask_alone, collected
from tests.properties.proof import proof
from tests.properties.small_database import environment_of
from tests.properties.starts import Starts
from tests.servers import PROJECT

CONFIGURED = """
import os
from pathlib import Path
from console.start import capacity
capacity.workers.__defaults__ = (Path(root),)
os.sched_getaffinity = lambda _: set(range(allowed))
import console.gunicorn as configured
result = [configured.workers, configured.worker_class, configured.preload_app]
"""


def masters(site: Site) -> list[psutil.Process]:
    """Gunicorn's master before the site, and its workers."""
    (master,) = [
        one
        for one in psutil.Process().children()
        if "gunicorn" in " ".join(one.cmdline()) and str(site.tree) == one.cwd()
    ]
    return [master, *master.children()]


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
    workers, kind, _ = starts.value(CONFIGURED, environ, root=str(root), allowed=allowed)
    processors = allowed if tenths is None else min(allowed, max(1, -(-tenths // 10)))
    room = 12 if limit is None else (limit - MASTER_BYTES) // WORKER_BYTES
    assert workers == max(2, min(2 * processors + 1, room, 12)) and kind == "gthread"
    assert len(masters(site)) == 1 + int(site.environment["WEB_CONCURRENCY"])


@cache
def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix not in {".gz", ".br", "", ".json"})


@proof("the real nginx, and the real Gunicorn without it")
@given(pick=st.integers(min_value=0), nginx=st.booleans(), accepts=st.sampled_from(["", "gzip"]))
def test_property_32_static_files_are_kept_by_browsers(
    site: Site, edge: Edge, pick: int, nginx: bool, accepts: str
) -> None:
    """Feature: production-deployment, Property 32: Static File Caching

    For any static file served by the application, appropriate caching headers should be set for browser and proxy
    caching
    """
    folder = collected(site.tree)
    chosen = files(folder)[pick % len(files(folder))]
    address, headers = f"/static/{chosen.relative_to(folder)}", {"Accept-Encoding": accepts}

    def ask(**more: str) -> tuple[int, dict[str, str]]:
        every = headers | {name.replace("_", "-"): value for name, value in more.items()}
        reply = edge.ask(address, headers=every) if nginx else ask_alone(site, address, headers=every)
        return reply.status, {name.lower(): value for name, value in reply.headers}

    status, told = ask()
    assert status == 200
    age = int(re.findall(r"max-age=(\d+)", told["cache-control"])[0])
    forever = bool(re.search(r"\.[0-9a-f]{12}\.\w+$", chosen.name))
    assert ("immutable" in told["cache-control"], "public" in told["cache-control"]) == (forever, True)
    assert age >= 31_536_000 if forever else 0 < age <= 86_400
    if "content-encoding" in told:
        assert "accept-encoding" in told["vary"].lower()
    if "etag" in told:
        assert ask(If_None_Match=told["etag"])[0] == 304
    assert "last-modified" in told
    assert ask(If_Modified_Since=told["last-modified"])[0] == 304


LOADED = """
import os, sys, types
sys.argv = ["gunicorn", "--config", "python:console.gunicorn"]
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
module = types.ModuleType("console.wsgi")
loaded = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "console.wsgi":
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module):
        loaded.append(os.getpid())
        module.application = lambda environ, start: []
sys.meta_path.insert(0, Finder())
arbiter = Arbiter(WSGIApplication())
result = [loaded, os.getpid(), arbiter.num_workers]
"""


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
    loaded, master, told = starts.value(LOADED, environ)
    assert (loaded, told) == ([master], workers)
    if recycled % 10 == 0:  # what the site's workers have in common with their master
        for worker in masters(site)[1:]:
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
    import json

    for question in mix:
        body = json.dumps({"question": question}).encode()
        reply = ask_alone(site, "/api/chat/", "POST", body=body, headers={**token, "Content-Type": "application/json"})
        assert reply.status in {200, 400, 413}, reply.body
    ask_alone(site, page)
    processes = masters(site)
    used = sum(one.memory_full_info().pss for one in processes)
    assert used <= MASTER_BYTES + (len(processes) - 1) * WORKER_BYTES, f"{used / MIB:.0f} MiB"


SHUT = """
import django
django.setup()
import os, signal, socket, sys, threading, time, types
sys.argv = ["gunicorn", "--config", "python:console.gunicorn"]
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
import console.gunicorn as configured
from console import warm_up
warm_up.before_the_fork = warm_up.in_web_process = lambda: None
module = types.ModuleType("console.wsgi")
def application(environ, start):
    print("BEGUN", flush=True)
    time.sleep(seconds)
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
module.application = application
sys.modules["console.wsgi"] = module
def ask():
    while True:
        try:
            asking = socket.create_connection(("127.0.0.1", configured.environment.PORT), timeout=30)
            break
        except OSError:
            time.sleep(0.01)
    asking.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    time.sleep(delay)
    os.kill(master, by)
    answer = b""
    while part := asking.recv(4096):
        answer += part
    print("ANSWER", answer.endswith(b"done"), flush=True)
    os._exit(0)
master = os.getpid()
if os.fork() == 0:
    ask()
Arbiter(WSGIApplication()).run()
"""


@proof(
    "the health endpoints under drawn states; Gunicorn with our configuration ended in the middle of a request in some",
    boots="tests/deploy/test_start.py: the product ends with 0",
)
@given(
    name=st.sampled_from(["/healthz", "/readyz"]),
    method=st.sampled_from(["GET", "HEAD"]),
    seconds=st.integers(10, 40),
    stops=st.sampled_from([True] + [False] * 14),
)
def test_property_35_who_is_being_answered_is_answered(
    starts: Starts, site: Site, name: str, method: str, seconds: int, stops: bool
) -> None:
    """Feature: production-deployment, Property 35: Graceful Shutdown and Health Checks

    For any shutdown signal or health check request, the application should respond appropriately and handle graceful
    shutdowns
    """
    assert ask_alone(site, name, method, https=False).status == 200
    if not stops:
        return
    environ = environment_of("postgresql://u:p@127.0.0.1:1/n") | {"WEB_CONCURRENCY": "2"}
    environ |= {"DJANGO_SETTINGS_MODULE": "console.settings"}
    end = starts.one(SHUT, environ, seconds=seconds / 20, delay=0.25, by=15)
    assert end.status == 0, end.text
    assert "BEGUN" not in end.out or "ANSWER True" in end.out, end.text


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


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    """Every address of the product, its parameters filled in."""
    for one in patterns:
        route = prefix + filled(str(one.pattern))
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, route)
        else:
            yield route


FILLED = {"uuid": "6f1c2b9e-0d6d-4c3c-8a51-1f6f3c0f7d11", "int": "1", "str": "one", "path": "1", "slug": "one"}


def filled(pattern: str) -> str:
    if pattern.startswith("^") or "(?P" in pattern:
        return "api/none" if pattern.startswith("^api") else ""
    return re.sub(r"<(?:(\w+):)?\w+>", lambda one: FILLED.get(one[1] or "str", "one"), pattern)


POSTED = sorted(
    {address for address in addresses(get_resolver("console.urls").url_patterns) if "metrics" not in address}
)
tokens = st.sampled_from(["none", "empty", "wrong", "cookie only", "header only", "other origin"])


class TestCsrf(TestCase):
    @proof("every address of the product, as the URLs list them")
    @given(address=st.sampled_from(POSTED), state=tokens, member=st.booleans(), body=st.sampled_from(["", "{}", "a=b"]))
    def test_property_37_no_post_without_its_token(self, address: str, state: str, member: bool, body: str) -> None:
        """Feature: production-deployment, Property 37: CSRF Protection

        For any POST request without proper CSRF token, the application should reject the request with appropriate
        error response
        """
        client = Client(enforce_csrf_checks=True)
        if member:
            client.force_login(User.objects.create_superuser(f"user-{secrets.token_hex(4)}"))
        known = "a" * 32
        headers = {
            "X-CSRFToken": {"empty": "", "wrong": "b" * 32, "header only": known, "other origin": known}.get(state, "")
        }
        if state in {"cookie only", "wrong", "other origin"}:
            client.cookies["csrftoken"] = known
        if state == "other origin":
            headers["Origin"] = "https://evil.example.net"
        before = counted()
        reply = client.post(
            address,
            body,
            content_type="application/json" if body == "{}" else "application/x-www-form-urlencoded",
            headers=headers,
        )
        assert reply.status_code in {403, 404, 405}, (address, reply.status_code)
        assert reply.status_code == 403 or (not address.startswith(("/admin/", "/api/chat")) and address != "/"), (
            address
        )
        assert counted() == before


def counted() -> list[int]:
    return [model.objects.count() for model in (Entry, Category, Receipt, User)]


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


@cache
def texts() -> list[tuple[str, str]]:
    folders = ("console", "faq", "monitoring", "rag", "nginx", "docker", "bin")
    named = [
        path for folder in folders for path in (PROJECT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]
    return [(str(path), path.read_text(errors="replace")) for path in sorted([*named, PROJECT / "compose.yml"])]


KEYS = re.compile(
    r"AIza[0-9A-Za-z_-]{35}|sk-[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[\w.-]+:[\w.-]+@(?!host|db|localhost|redis)"
    r"|(?i:secret_key|api_key|password) *= *[\"'][A-Za-z0-9_+/-]{16,}[\"']"
)


@proof(
    "the settings of a new process by variable and by file, and every file of the product looked through",
    boots="tests/answering: the key at Gemini's stand-in",
)
@given(
    given_keys=st.lists(st.from_regex(r"[A-Za-z0-9_-]{20,39}", fullmatch=True), min_size=3, max_size=3, unique=True),
    by_file=st.sets(st.integers(0, 2)),
    pick=st.integers(min_value=0),
)
def test_property_39_keys_come_from_outside(
    starts: Starts, tmp_path_factory: pytest.TempPathFactory, given_keys: list[str], by_file: set[int], pick: int
) -> None:
    """Feature: production-deployment, Property 39: Environment Variable Secret Loading

    For any API key or secret configuration, values should be loaded from environment variables and not hardcoded in
    source code
    """
    names = ("GEMINI_API_KEY", "SECRET_KEY", "QDRANT_API_KEY")
    values = [given_keys[0], f"{given_keys[1]}-abcdefghijklmnopqrst-{given_keys[1]}", given_keys[2]]
    environ = {key: value for key, value in PRODUCTION.items() if key not in names}
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        if number in by_file:
            (file := tmp_path_factory.mktemp("secret") / name).write_text(value + "\n")
        environ |= {f"{name}_FILE": str(file)} if number in by_file else {name: value}
    assert starts.value(SEEN, environ) == values
    for path, text in texts()[pick % 10 :: 10]:
        assert not KEYS.search(text), path


SEEN = (
    "from django.conf import settings\nresult = [settings.GEMINI_API_KEY, settings.SECRET_KEY, settings.QDRANT_API_KEY]"
)
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
