"""Time limits that add up, and breakers that spare a dead service and the askers who would wait for it."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag import metrics
from rag.errors import ServiceUnavailable

logger = logging.getLogger(__name__)

WINDOW = 20  # calls; half of them failed opens a breaker too
WINDOW_SECONDS = 10.0
SOON_SECONDS = 60.0  # who opens again so soon after it closed must succeed several times before it closes again
SUCCESSES_AFTER_RELAPSE = 4


class Deadline:
    """One for a request; every stage asks it for what is left."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self._ends - time.monotonic())


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How a breaker stands in this process."""

    service: str
    state: str  # closed, open, tripped
    cause: str = ""  # of the last failure, where it is not closed
    causes: Mapping[str, int] = field(default_factory=dict)  # of the failures in the window


@dataclass
class Breaker:
    """After so many failures in a row, or half of the last twenty, no call is let through for a while; then one at a
    time, until enough succeed.

    The lock is never held during a call, so a slow service does not make threads wait for each other. `long_rests` has
    the reasons that time alone does not cure: one such failure opens it, and it rests for that long. With a
    `probe`, no caller has to find out whether the service is back: a thread calls that in place of the one who would.
    """

    service: str
    failures_to_open: int = 5
    rest_seconds: float = 2.0
    long_rests: Mapping[str, float] = field(default_factory=dict)
    probe: Callable[[], object] | None = None
    last_reason: str = ""
    last_failure_at: float = -math.inf  # of the monotonic clock
    last_success_at: float = -math.inf
    tripped: bool = False  # by an operator: rests until somebody resets it
    _open: bool = False
    _failures: int = 0  # in a row
    _probing: bool = False
    _to_close: int = 1  # successes that are still wanted
    _closed_again_at: float = 0.0
    _last_closed_at: float = -math.inf
    _window: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=WINDOW))  # when, and why it failed
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raises ServiceUnavailable(breaker_open) instead of calling while the service rests."""
        self._admit()
        with self._counted():
            yield

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except ServiceUnavailable as error:
            # What another service did on the way is counted by that one's breaker.
            if error.service == self.service and error.reason not in _NOT_ITS_FAULT:
                self._count_failure(error.reason)
            raise
        self._count_success()

    @property
    def is_open(self) -> bool:
        return self._open or self.tripped

    @property
    def state(self) -> BreakerState:
        with self._lock:
            state = "tripped" if self.tripped else "open" if self._open else "closed"
            causes = Counter(reason for at, reason in self._window if reason)
            return BreakerState(self.service, state, self.last_reason if self._open else "", causes)

    def trip(self) -> None:
        """By an operator, in every process: nobody asks this service until it is reset."""
        with self._lock:
            if not self.tripped:
                self.tripped = True
                self._became("open", "tripped")

    def reset(self) -> None:
        """As new: what failed before is forgotten, and the next call goes through."""
        with self._lock:
            was_open = self.is_open
            self.tripped = self._open = False
            self._failures, self._to_close, self._closed_again_at, self.last_reason = 0, 1, 0.0, ""
            self.last_failure_at = self.last_success_at = self._last_closed_at = -math.inf
            self._window.clear()
            if was_open:
                self._became("closed", "reset")

    def _admit(self) -> None:
        now = time.monotonic()
        with self._lock:
            if self.tripped or (self._open and now < self._closed_again_at):
                raise ServiceUnavailable(self.service, "breaker_open", "resting after repeated failures")
            # Whoever is let through now is the probe; the others rest until it is back.
            self._closed_again_at = now + self._rest("")
            if not self._open or self.probe is None:
                return
            begins, self._probing = not self._probing, True
        if begins:
            threading.Thread(target=self._look, args=(self.probe,), name=f"probe-{self.service}", daemon=True).start()
        raise ServiceUnavailable(self.service, "breaker_open", "resting after repeated failures")

    def _look(self, probe: Callable[[], object]) -> None:
        try:
            with self._counted():
                probe()
        except ServiceUnavailable:
            pass  # counted
        except Exception:
            logger.exception("breaker probe failed: %s", self.service, extra={"dependency": self.service})
        finally:
            with self._lock:
                self._probing = False

    def _count_failure(self, reason: str) -> None:
        with self._lock:
            self._failures += 1
            self.last_reason, self.last_failure_at = reason, time.monotonic()
            self._window.append((self.last_failure_at, reason))
            self._closed_again_at = self.last_failure_at + self._rest(reason)
            if self._open:
                self._to_close = self._successes_wanted()
            elif self._failures >= self.failures_to_open or reason in self.long_rests or self._half_fail():
                self._open, self._to_close = True, self._successes_wanted()
                self._became("open", reason)

    def _count_success(self) -> None:
        with self._lock:
            self._failures, self.last_success_at = 0, time.monotonic()
            self._window.append((self.last_success_at, ""))
            if not self._open:
                return
            self._to_close -= 1
            self._closed_again_at = 0.0  # the next probe need not wait
            if self._to_close <= 0:
                self._open, self._last_closed_at = False, self.last_success_at
                self._window.clear()
                self._became("closed", self.last_reason)

    def _rest(self, reason: str) -> float:
        """Never longer than it is told; shorter by chance, so that processes do not all probe at the same moment."""
        if reason in self.long_rests:
            return self.long_rests[reason]
        return self.rest_seconds * random.uniform(0.75, 1.0)  # noqa: S311 (jitter, no secret)

    def _half_fail(self) -> bool:
        since = time.monotonic() - WINDOW_SECONDS
        lately = [reason for at, reason in self._window if at >= since]
        return len(lately) == WINDOW and 2 * sum(map(bool, lately)) >= WINDOW

    def _successes_wanted(self) -> int:
        relapsed = time.monotonic() - self._last_closed_at < SOON_SECONDS
        return SUCCESSES_AFTER_RELAPSE if relapsed else 1

    def _became(self, state: str, cause: str) -> None:
        name = self.service.replace(" ", "_")
        metrics.BREAKER_OPEN.labels(name).set(state == "open")
        metrics.BREAKER_TRANSITIONS.labels(name, state).inc()
        logger.warning(
            "breaker %s: %s (%s)", state, self.service, cause, extra={"dependency": name, "to": state, "reason": cause}
        )


# A refused prompt, a missing collection or a used-up budget says nothing about the service's health.
_NOT_ITS_FAULT = {"blocked", "missing", "breaker_open", "budget"}

_registered: dict[str, Breaker] = {}


def registered(breaker: Breaker) -> Breaker:
    """One of those that consoles, metrics and operators know, by the name of its service."""
    return _registered.setdefault(breaker.service, breaker)


def breakers() -> Mapping[str, Breaker]:
    """Every breaker of this process by its service, as of now: the first use of a service may add one."""
    return dict(_registered)
