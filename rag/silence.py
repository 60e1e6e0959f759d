"""A database that says nothing at all is hung up on: its own time limits end with it, as when its machine stands still.

Every wait of a web process's connections has an end: while the pool looks whether one still works, outside of answers
as well as within. Imported by the settings, so nothing of Django is asked here.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg

SILENT_SECONDS = 6.0  # a second more than the server gives a statement of a web process
LEAST_SECONDS = 0.1
FRESH_SECONDS = 1.0

_patience: ContextVar[float | None] = ContextVar("patience", default=None)


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """What this thread asks of PostgreSQL in here ends within `seconds`, with OperationalError at the latest."""
    token = _patience.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _patience.reset(token)


class BoundedConnection(psycopg.Connection[Any]):
    _heard_at = -math.inf

    def execute(self, query: Any, *given: Any, **options: Any) -> psycopg.Cursor[Any]:
        """The pool looks whether a connection still works by asking nothing at all; one just heard of does."""
        if query == "" and self._is_fresh():
            return self.cursor()
        return super().execute(query, *given, **options)

    def _is_fresh(self) -> bool:
        """Heard of a moment ago, and nobody has hung up since: a server that ends says so on the line."""
        if self.closed or time.monotonic() - self._heard_at > FRESH_SECONDS:
            return False
        line = select.poll()
        line.register(self.fileno(), select.POLLIN)
        return not line.poll(0)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Raises psycopg.OperationalError when nothing is heard for too long; the connection is closed then."""
        most = _left() if timeout is None else min(timeout, _left())
        began = time.monotonic()
        try:
            found = super().wait(gen, interval=interval, timeout=most)
        except psycopg.OperationalError:
            if time.monotonic() - began < most or self.closed:
                raise
            self.close()
            raise psycopg.OperationalError(f"timeout: nothing heard of PostgreSQL for {most:.1f} s") from None
        self._heard_at = time.monotonic()
        return found


def _left() -> float:
    end = _patience.get()
    if end is None:
        return SILENT_SECONDS
    return min(SILENT_SECONDS, max(LEAST_SECONDS, end - time.monotonic()))
