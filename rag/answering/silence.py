"""A database that says nothing at all is hung up on: its own time limits end with it, and no client library has any."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection, connections

SILENT_SECONDS = 6.0  # a second more than the server gives a statement
LOOK_SECONDS = 0.25

_lock = threading.Lock()
_watched: dict[object, tuple[float, Any]] = {}
_watching = False


@contextmanager
def bounded() -> Iterator[None]:
    """What is asked of PostgreSQL in here ends in time: with OperationalError, where nothing is heard of it."""
    if connection.vendor != "postgresql":
        yield
        return
    key = object()
    with _lock:
        _watched[key] = time.monotonic() + SILENT_SECONDS, connections[connection.alias]
        _begin()
    try:
        yield
    finally:
        with _lock:
            _watched.pop(key, None)


def _begin() -> None:
    global _watching
    if not _watching:
        _watching = True
        threading.Thread(target=_watch, name="silence", daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        # Under the lock: while it is held, what is watched has not given its connection to somebody else.
        with _lock:
            for key, (end, wrapper) in list(_watched.items()):
                if now > end:
                    del _watched[key]
                    _hang_up(wrapper)


def _hang_up(wrapper: Any) -> None:
    """Whoever waits for the other end is told that it is gone."""
    with suppress(Exception):  # closed meanwhile, or none was made yet
        duplicate = socket.socket(fileno=os.dup(wrapper.connection.pgconn.socket))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


def _after_fork() -> None:
    global _lock, _watching
    _lock, _watching = threading.Lock(), False
    _watched.clear()


os.register_at_fork(after_in_child=_after_fork)
