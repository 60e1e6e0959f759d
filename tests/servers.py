"""Private servers for the tests: PostgreSQL, Redis and Qdrant, each in a folder of its own, gone with the tests."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

PROJECT = Path(__file__).resolve().parents[1]
POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
START_SECONDS = 30.0
# Below those that Linux hands out by itself, so that no outgoing connection sits on one.
PORTS = range(20_000, 32_000)

_held: list[IO[str]] = []
_libc = ctypes.CDLL(None)


def free_port() -> int:
    """One that no other test process is given while this one lives."""
    folder = Path(tempfile.gettempdir(), "steadfast-test-ports")
    folder.mkdir(mode=0o777, exist_ok=True)
    for _ in range(1_000):
        port = random.choice(PORTS)
        claim = (folder / str(port)).open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _held.append(claim)
        return port
    raise RuntimeError("no free port")


def dies_with_us(with_signal: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends this signal when the thread that starts the process ends, kill -9 included."""
    return lambda: _libc.prctl(1, int(with_signal))


def until(true: Callable[[], Any], what: str, seconds: float = START_SECONDS, pause: float = 0.05) -> Any:
    """What `true` gives, as soon as that is something; AssertionError when it never is."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
    return found


def _new_folder(name: str) -> Path:
    """Named by the process that it is for, so that those of processes that were killed can be told and removed."""
    for old in Path(tempfile.gettempdir()).glob("steadfast-server-*"):
        if not Path("/proc", old.name.split("-")[2]).exists():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"steadfast-server-{os.getpid()}-{name}-"))


class Server:
    """A process in a folder of its own. It can be stopped and started again with all that it kept."""

    stops_by = signal.SIGTERM
    start_seconds = START_SECONDS
    user: str | None = None

    def __init__(self) -> None:
        self.folder = _new_folder(type(self).__name__.lower())
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> Self:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                preexec_fn=dies_with_us(self.stops_by),
                start_new_session=True,  # Ctrl-C is for the tests; they stop it
            )
        try:
            until(self._is_up, f"{type(self).__name__} starts", self.start_seconds)
        except AssertionError:
            self.close()
            raise
        return self

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{type(self).__name__} ended at once:\n{(self.folder / 'log').read_text()}")
        return self.answers()

    def stop(self, by: signal.Signals | None = None) -> None:
        """Quiet where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(by or self.stops_by)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def fail(self, by: signal.Signals) -> None:
        """SIGSTOP makes it hang, with its connections open; everything else ends it."""
        assert self._process is not None
        if by == signal.SIGSTOP:
            self._process.send_signal(by)
        else:
            self.stop(by)

    def recover(self) -> None:
        """Quiet where it is well."""
        if self._process is None:
            self.start()
        else:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc: object) -> None:
        self.close()


class Postgresql(Server):
    """Debian's PostgreSQL 15, without the care for a power cut that tests do not need."""

    stops_by = signal.SIGQUIT  # at once, open connections or not; its log brings it back
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root

    def __init__(self) -> None:
        super().__init__()
        if self.user:
            shutil.chown(self.folder, self.user)
        self._data = self.folder / "data"
        options = ["--auth=trust", "--username=steadfast", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [POSTGRESQL / "initdb", *options, "--pgdata", self._data],
            check=True,
            capture_output=True,
            cwd=self.folder,
            user=self.user,
            group=self.user,
        )

    def command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            # What is acknowledged is in the files, so that it outlives a server that is killed, though not a machine.
            "fsync": "off",
            "full_page_writes": "off",
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [POSTGRESQL / "postgres", "-D", self._data, *given]

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        return f"postgresql://steadfast@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str) -> str:
        """Its URL."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.url(name)


class Redis(Server):
    """Keeps nothing: when it is started again it is empty, as after the loss of its machine."""

    def command(self) -> list[str | Path]:
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Qdrant(Server):
    """Our stand-in, as a process of its own."""

    def command(self) -> list[str | Path]:
        storage = self.folder / "storage"
        return [sys.executable, "-m", "tests.standins.qdrant", "--port", str(self.port), "--storage", storage]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
