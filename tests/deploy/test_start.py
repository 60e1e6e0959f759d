"""The entrypoint as a real process: what it checks, what it waits for, and that it migrates once."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types
import psycopg
import pytest

from console.environment import INVALID
from console.start.waiting import TRY_LATER
from tests.deploy.containers import HOST, begin, ended, environment, messages
from tests.servers import Postgresql, Redis, free_port, until

ROUNDS = int(os.environ.get("START_ROUNDS", "1"))  # START_ROUNDS=20 is the drill
REPLICAS = 6


def new_database(postgresql: Postgresql) -> str:
    return postgresql.new_database(f"start_{uuid.uuid4().hex[:12]}")


def applied(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT app, name FROM django_migrations").fetchall()


def test_six_replicas_that_start_at_once_migrate_exactly_once(postgresql: Postgresql) -> None:
    """Feature: production-deployment, Properties 2 and 13: Migration Automation"""
    seen = []
    try:
        for _ in range(ROUNDS):
            seen.append(six_at_once(postgresql))
    finally:
        if file := os.environ.get("START_REPORT"):
            Path(file).write_text(report(seen))


@dataclass(frozen=True)
class Together:
    """How six that started at once came out of it."""

    migrations: int
    waited: int
    seconds: float


def six_at_once(postgresql: Postgresql) -> Together:
    url = new_database(postgresql)
    began = time.monotonic()
    replicas = [begin("migrate", environment(url)) for _ in range(REPLICAS)]
    ends = [ended(one, 180) for one in replicas]
    seconds = time.monotonic() - began
    assert [status for status, _ in ends] == [0] * REPLICAS, "\n---\n".join(messages(log) for _, log in ends)
    rows = applied(url)
    assert len(rows) == len(set(rows)) > 20
    who = [log for _, log in ends if "migrations applied in" in messages(log)]
    assert len(who) == 1
    assert sum("nothing to apply" in messages(log) for _, log in ends) == REPLICAS - 1
    waited = sum("another process is migrating" in messages(log) for _, log in ends)
    return Together(len(rows), waited, seconds)


def report(seen: list[Together]) -> str:
    rows = [f"| {n} | {one.migrations} | 1 | {one.waited} | {one.seconds:.0f} s |" for n, one in enumerate(seen, 1)]
    lines = [
        "# Drill of the start",
        "",
        f"Run on {date.today()} with Python {platform.python_version()} on {os.cpu_count()} cores,",
        "which others used too. `make drill-start` writes this file anew.",
        "",
        f"{REPLICAS} containers' processes begin to migrate an empty PostgreSQL at once. Each must end well, one of",
        "them must have applied everything, once, and the others nothing:",
        f"so it was in {len(seen)} of {ROUNDS} rounds.",
        "",
        "| round | migrations applied | by replicas | waited for the lock | all six ended after |",
        "|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def test_a_replica_that_dies_while_it_migrates_gives_the_lock_back(postgresql: Postgresql) -> None:
    url = new_database(postgresql)
    first = begin("migrate", environment(url))
    with psycopg.connect(url, autocommit=True) as connection:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        until(lambda: (connection.execute(held).fetchone() or (0,))[0], "the first one migrates", pause=0.005)
        first.send_signal(signal.SIGKILL)
        first.communicate()
    status, log = ended(begin("migrate", environment(url)))
    assert status == 0, messages(log)
    rows = applied(url)
    assert len(rows) == len(set(rows)) > 20


def test_one_that_may_not_migrate_waits_for_one_that_may(postgresql: Postgresql) -> None:
    url = new_database(postgresql)
    waiting = begin("migrate", environment(url, MIGRATE_AT_START="false"))
    status, log = ended(begin("migrate", environment(url)))
    assert status == 0, messages(log)
    status, log = ended(waiting)
    assert status == 0
    assert "migrations applied in" not in messages(log)


def test_a_bad_environment_ends_at_once_with_every_fault_and_no_port(postgresql: Postgresql) -> None:
    """Feature: production-deployment, Properties 9, 18 and 19: Startup Validation"""
    good = environment(new_database(postgresql))
    bad = {**good, "SECRET_KEY": "hunter2", "QDRANT_PORT": "hunter3", "ALLOWED_HOSTS": ""}
    status, log = ended(begin("web", bad), 30)
    assert status == INVALID
    assert all(name in messages(log) for name in ("SECRET_KEY", "QDRANT_PORT", "ALLOWED_HOSTS"))
    assert "hunter" not in messages(log) and "Traceback" not in messages(log)


def test_a_number_of_workers_that_is_none_is_told(postgresql: Postgresql) -> None:
    status, log = ended(begin("web", environment(new_database(postgresql), WEB_CONCURRENCY="many")))
    assert status == INVALID
    assert "WEB_CONCURRENCY must be a whole number" in messages(log) and "Traceback" not in messages(log)


def test_a_database_that_comes_later_is_waited_for() -> None:
    """Feature: production-deployment, Property 27: Startup Dependency Order"""
    server = Postgresql()
    with closing(server):
        waiting = begin("migrate", environment(server.url("postgres")))
        assert waiting.stdout is not None
        lines = iter(waiting.stdout.readline, "")
        assert "waiting for the database" in next(line for line in lines if "waiting" in line)
        server.start()
        status, log = ended(waiting)
        assert status == 0, messages(log)
        assert "the database answers" in messages(log)
        assert applied(server.url("postgres"))


def test_a_refused_password_is_told_in_words_without_the_password() -> None:
    from console.start import waiting

    error = Exception('connection to server at "10.0.0.1" failed: FATAL:  password authentication failed for user "x"')
    assert waiting._cause(error) == "it refuses the password"
    assert waiting._cause(Exception("secret words")) == "Exception"


def test_a_database_that_never_comes_ends_the_start_for_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    from console.start import waiting

    monkeypatch.setattr(waiting, "_database", lambda: "nothing listens there")
    with pytest.raises(SystemExit) as end:
        waiting.for_database(0.5)
    assert end.value.code == TRY_LATER


class OlderPostgresql:
    """A line to the real server on which it says to be of another version."""

    def __init__(self, port: int, version: bytes) -> None:
        self._version, self._to = version, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                here = self._listener.accept()[0]
            except OSError:
                return
            with here, socket.create_connection(("127.0.0.1", self._to)) as there:
                back = threading.Thread(target=self._pass_on, args=(there, here), daemon=True)
                back.start()
                self._pass_on(here, there)
                back.join()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """One connection after another is enough here."""
        try:
            while data := source.recv(65_536):
                target.sendall(data.replace(b"server_version\x0015.", b"server_version\x00" + self._version))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def older(postgresql: Postgresql) -> Iterator[OlderPostgresql]:
    with closing(OlderPostgresql(postgresql.port, b"13.")) as line:
        yield line


def test_an_older_postgresql_is_refused(postgresql: Postgresql, older: OlderPostgresql) -> None:
    """Feature: production-deployment, Property 11: PostgreSQL Version Compliance"""
    url = new_database(postgresql).replace(str(postgresql.port), str(older.port))
    status, log = ended(begin("migrate", environment(f"{url}?sslmode=disable&gssencmode=disable")))
    assert status == INVALID, messages(log)
    assert "PostgreSQL 15 or newer is required" in messages(log)


def test_web_starts_gunicorn_in_its_place_and_ends_gracefully(
    postgresql: Postgresql, redis: Redis, tmp_path: Path
) -> None:
    """Feature: production-deployment, Properties 31, 33 and 35"""
    shared = tmp_path / "static"
    shared.mkdir()
    environ = environment(
        new_database(postgresql), f"redis://127.0.0.1:{redis.port}/9", STATIC_SHARE=str(shared), WEB_CONCURRENCY=""
    )
    web = begin("web", environ)
    until(lambda: answers(environ["PORT"], "/healthz") == 200, "the web server answers", 60)
    until(lambda: answers(environ["PORT"], "/readyz") == 200, "it is ready")
    workers = psutil.Process(web.pid).children()
    assert len(workers) >= 2
    assert healthy("web", environ) == (0, "")
    web.terminate()
    status, log = ended(web)
    assert status == 0, messages(log)
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert healthy("web", environ)[0] == 1


def answers(port: str, path: str) -> int | None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": HOST})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def healthy(role: str, environ: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "console.start.healthy", role], env=environ, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stderr


def test_the_workers_health_is_its_heartbeat(tmp_path: Path) -> None:
    heartbeat = tmp_path / "beat"
    environ = environment("postgresql://nobody@127.0.0.1:1/none", WORKER_HEARTBEAT=str(heartbeat))
    assert healthy("worker", environ) == (1, "unhealthy: the worker has not swept yet\n")
    heartbeat.touch()
    assert healthy("worker", environ) == (0, "")
    os.utime(heartbeat, (1, 1))
    assert "has not swept for" in healthy("worker", environ)[1]


def test_redis_and_the_vector_store_hold_nothing_up(postgresql: Postgresql) -> None:
    """Feature: production-deployment, Property 41: Vector Database Connectivity"""
    environ = environment(new_database(postgresql), f"redis://127.0.0.1:{free_port()}/0")
    web = begin("web", environ)
    until(lambda: answers(environ["PORT"], "/readyz") == 200, "the web server answers", 60)
    web.terminate()
    status, log = ended(web)
    assert status == 0, messages(log)
    assert "Redis does not answer: Connection refused" in messages(log)
    assert "the vector store does not answer" in messages(log)
