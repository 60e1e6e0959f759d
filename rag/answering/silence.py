"""A database that says nothing is hung up on: its own time limits hang with it, and the kernel of a stopped server
still acknowledges what it is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from rag.resilience import Deadline

T = TypeVar("T")
SILENT_SECONDS = 6.0  # a second more than the server gives a statement
SHORTEST = 0.1

_ends: ContextVar[float | None] = ContextVar("silence_ends", default=None)


@contextmanager
def bounded(deadline: Deadline | None) -> Iterator[None]:
    """What is asked of PostgreSQL in here takes half of what is left, so that the other half can give an answer."""
    seconds = SILENT_SECONDS if deadline is None else min(SILENT_SECONDS, max(SHORTEST, deadline.left() / 2))
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


class ImpatientConnection(psycopg.Connection[Any]):
    """Waits for no reply longer than it may, the pool's own look at a connection included."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Raises OperationalError, and is closed, where PostgreSQL stays silent."""
        if timeout is not None:  # the caller's own, as of one who listens for notifications
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, _patience())
        except psycopg.errors._WaitTimeout:
            self.close()
        # Out here, as an error that is no timeout of the library's own to whoever catches it.
        raise psycopg.OperationalError("timeout: PostgreSQL stayed silent")


def _patience() -> float:
    ends = _ends.get()
    return SILENT_SECONDS if ends is None else max(SHORTEST, ends - time.monotonic())
