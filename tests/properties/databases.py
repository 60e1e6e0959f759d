"""PostgreSQL as another version, behind a pool, and killed while it is written to."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from django.db import OperationalError, connections
from django.db.utils import ConnectionHandler

from console.environment import load
from console.settings.stores import databases
from tests.deploy.test_start import OlderPostgresql
from tests.servers import Postgresql, free_port, until

numbers = count()


class OtherPostgresql(OlderPostgresql):
    """A line to the real server on which every word about its version is another one."""

    version_number = 0

    def _pass_on(self, source: Any, target: Any) -> None:
        real, told = str(self.real).encode(), str(self.version_number).encode()
        try:
            while data := source.recv(65_536):
                data = re.sub(rb"server_version\x00\d\d\.", b"server_version\x00" + told[:2] + b".", data)
                target.sendall(data.replace(real, told))
            target.shutdown(1)
        except OSError:
            return

    real = 0


@contextmanager
def pooled(url: str, most: int) -> Iterator[Any]:
    """A web process's connections, by the settings of an environment."""
    alias = f"pooled_{next(numbers)}"  # Django keeps pools by this name
    made = databases(load({"DATABASE_URL": url, "DB_POOL_MAX": str(most)}))
    connections.settings[alias] = ConnectionHandler(made).settings["default"]
    try:
        yield lambda: connections[alias]
    finally:
        connections[alias].close()
        connections[alias].close_pool()  # type: ignore[attr-defined]  # of PostgreSQL's only
        del connections[alias], connections.settings[alias]


def asked_by(connection_of: Any, threads: int, together: bool) -> list[int]:
    """Which backend served each of so many threads, whose turns overlap where `together`."""
    meet = threading.Barrier(threads if together else 1)

    def ask(_: int) -> int:
        connection = connection_of()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pid: int = cursor.fetchone()[0]
                meet.wait(30)
                return pid
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(threads)))


def healed_by(connection_of: Any) -> list[int] | None:
    """None where the pool gave none within its two seconds, as on a busy machine."""
    try:
        return asked_by(connection_of, 1, together=False)
    except OperationalError:
        return None


class Ledger:
    """Numbers written to a server, and what it said of each: attempted, or acknowledged as well."""

    def __init__(self, server: Postgresql) -> None:
        self.server = server
        self.attempted: set[int] = set()
        self.acknowledged: set[int] = set()
        with psycopg.connect(server.url("postgres")) as connection:
            connection.execute("CREATE TABLE kept (number integer)")

    def write(self, size: int) -> None:
        values = [next(numbers) for _ in range(size)]
        self.attempted.update(values)
        with psycopg.connect(self.server.url("postgres")) as connection:
            connection.execute("INSERT INTO kept SELECT unnest(%s::int[])", [values])
        self.acknowledged.update(values)

    def killed_while_writing(self, *, made_anew: bool) -> None:
        """As by a container that is lost; then started again, or another one made on the same folder."""
        before = len(self.acknowledged)
        writer = threading.Thread(target=self._write_on)
        writer.start()
        until(lambda: len(self.acknowledged) > before + 5, "it is being written to", pause=0.001)
        self.server.fail(signal.SIGKILL)
        writer.join()
        if made_anew:
            self.server.port = free_port()
        until(self._recovered, "the server is back")

    def _write_on(self) -> None:
        """One by one, until the server is gone."""
        try:
            with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
                while True:
                    number = next(numbers)
                    self.attempted.add(number)
                    connection.execute("INSERT INTO kept VALUES (%s)", [number])
                    self.acknowledged.add(number)
        except psycopg.OperationalError:
            return

    def _recovered(self) -> bool:
        """Its children may hold the memory of the one that was killed for a moment longer."""
        try:
            self.server.recover()
        except AssertionError:
            return False
        return True

    def there(self) -> set[int]:
        with psycopg.connect(self.server.url("postgres")) as connection:
            return {row[0] for row in connection.execute("SELECT number FROM kept").fetchall()}
