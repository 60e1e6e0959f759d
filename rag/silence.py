"""A database that says nothing at all is hung up on: its own time limits end with it, as when its machine stands still.

Every wait of a web process's connections has an end: while the pool looks whether one still works, outside of answers
as well as within. Imported by the settings, so nothing of Django is asked here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg

SILENT_SECONDS = 6.0  # a second more than the server gives a statement of a web process
LEAST_SECONDS = 0.1

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
    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Raises psycopg.OperationalError when nothing is heard for too long; the connection is closed then."""
        most = _left() if timeout is None else min(timeout, _left())
        began = time.monotonic()
        try:
            return super().wait(gen, interval=interval, timeout=most)
        except psycopg.OperationalError:
            if time.monotonic() - began < most or self.closed:
                raise
            self.close()
            raise psycopg.OperationalError(f"timeout: nothing heard of PostgreSQL for {most:.1f} s") from None


def _left() -> float:
    end = _patience.get()
    if end is None:
        return SILENT_SECONDS
    return min(SILENT_SECONDS, max(LEAST_SECONDS, end - time.monotonic()))
