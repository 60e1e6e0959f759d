"""The same thing asked many times at once is found out once in this process; the others wait for what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One finding-out under way. Who `leads` it says what it found; the others wait for that."""

    def __init__(self) -> None:
        self.found: T | None = None
        self._over = threading.Event()

    def wait(self, seconds: float) -> T | None:
        """None where it took longer, or broke off: then whoever waits may try by himself."""
        self._over.wait(max(0.0, seconds))
        return self.found

    def end(self) -> None:
        self._over.set()


class SingleFlight(Generic[T]):
    """The lock is held for a look at the table only, never while somebody finds out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Flight[T]] = {}

    @contextmanager
    def join(self, key: str) -> Iterator[tuple[Flight[T], bool]]:
        """The flight under this key, and whether the caller leads it. It ends with its leader, however he ends."""
        with self._lock:
            flight = self._under_way.get(key)
            leads = flight is None
            if flight is None:
                flight = self._under_way[key] = Flight()
        try:
            yield flight, leads
        finally:
            if leads:
                with self._lock:
                    del self._under_way[key]
                flight.end()
