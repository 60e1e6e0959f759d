"""Time limits that add up, and breakers that spare a dead service and the askers who would wait for it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag import metrics
from rag.errors import ServiceUnavailable


class Deadline:
    """One for a request; every stage asks it for what is left."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self._ends - time.monotonic())


@dataclass
class Breaker:
    """After so many failures in a row no call is let through for a while; then one at a time, until one succeeds.

    The lock is never held during a call, so a slow service does not make threads wait for each other.
    """

    service: str
    failures_to_open: int = 5
    rest_seconds: float = 2.0
    last_reason: str = ""
    last_failure_at: float = -math.inf  # of the monotonic clock
    last_success_at: float = -math.inf
    _failures: int = 0
    _closed_again_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raises ServiceUnavailable(breaker_open) instead of calling while the service rests."""
        self._admit()
        try:
            yield
        except ServiceUnavailable as error:
            if error.reason not in _NOT_ITS_FAULT:
                self._count_failure(error.reason)
            raise
        self._count_success()

    @property
    def is_open(self) -> bool:
        return self._failures >= self.failures_to_open

    def reset(self) -> None:
        with self._lock:
            self._failures, self._closed_again_at, self.last_reason = 0, 0.0, ""
            self.last_failure_at = self.last_success_at = -math.inf

    def _admit(self) -> None:
        now = time.monotonic()
        with self._lock:
            if self.is_open and now < self._closed_again_at:
                raise ServiceUnavailable(self.service, "breaker_open", "resting after repeated failures")
            # Whoever is let through now is the probe; the others rest until it is back.
            self._closed_again_at = now + self.rest_seconds

    def _count_failure(self, reason: str) -> None:
        with self._lock:
            was_open = self.is_open
            self._failures += 1
            self.last_reason, self.last_failure_at = reason, time.monotonic()
            self._closed_again_at = self.last_failure_at + self.rest_seconds
            if self.is_open and not was_open:
                self._became("open")

    def _count_success(self) -> None:
        with self._lock:
            was_open = self.is_open
            self._failures, self.last_success_at = 0, time.monotonic()
            if was_open:
                self._became("closed")

    def _became(self, state: str) -> None:
        name = self.service.replace(" ", "_")
        metrics.BREAKER_OPEN.labels(name).set(state == "open")
        metrics.BREAKER_TRANSITIONS.labels(name, state).inc()


# A refused prompt or a missing collection says nothing about the service's health.
_NOT_ITS_FAULT = {"blocked", "missing", "breaker_open"}
