"""How a dependency is asked: what a check is, what a reading is, and the threads between the two.

A check is asked in a thread of its own, so that one that hangs holds nobody up, and it is never asked twice at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.core.cache import cache
from django.db import Error, OperationalError, connection
from django.utils import timezone

from rag.errors import ServiceUnavailable

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.25  # for all checks together, as they are asked side by side
HANGS_SECONDS = 2.0  # silent for so long is down, not slow
RECHECK_SECONDS = 2.0  # what is not well is asked again sooner: its return shows at once
REMEMBERED_SECONDS = 30 * 86_400


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"
    OFF = "off"  # not configured


class NotKnown(Exception):
    """This cannot be told just now, because something else is away: the sentence says what."""


class NotWell(Exception):
    """It is out, for a reason that is no outside service's: a sentence of ours, that may be shown."""


@dataclass(frozen=True)
class Check:
    """One thing that we depend on. `probe` returns a short detail, or raises."""

    name: str
    titled: Callable[[], str]
    effect: str  # what is noticed while it is out
    runbook: str
    probe: Callable[[], str]
    critical: bool = False
    wanted: Callable[[], bool] = lambda: True

    @property
    def title(self) -> str:
        return self.titled()


@dataclass(frozen=True)
class Reading:
    """How a check was found. `detail` is for operators and never quotes what an exception said."""

    check: Check
    state: State
    latency_ms: float | None
    last_good: datetime | None
    as_of: datetime
    detail: str = ""


@dataclass(frozen=True)
class _Outcome:
    state: State
    detail: str
    seconds: float
    at: datetime
    ended: float  # of the monotonic clock


class _Asked:
    """What this process knows of one check: the question under way, the last outcome, the last good one."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.outcome: _Outcome | None = None
        self.last_good: datetime | None = None
        self.began = 0.0
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, *, older_than: float) -> None:
        """Begin to ask, unless it is being asked or was lately."""
        with self._lock:
            if self.under_way or not self._due(older_than):
                return
            self.began = time.monotonic()
            self.done = threading.Event()
            self._thread = threading.Thread(target=self._run, name=f"check-{self.check.name}", daemon=True)
            self._thread.start()

    @property
    def under_way(self) -> bool:
        return self._thread is not None and not self.done.is_set()

    def reading(self) -> Reading:
        now = timezone.now()
        if self.under_way:
            return self._late(now)
        last = self.outcome
        if last is None:
            return Reading(self.check, State.UNKNOWN, None, self.last_good, now, "not asked yet")
        return Reading(self.check, last.state, round(1000 * last.seconds, 1), self.last_good, last.at, last.detail)

    def _late(self, now: datetime) -> Reading:
        silent = time.monotonic() - self.began
        if silent >= HANGS_SECONDS:
            state, detail = State.DOWN, f"no answer for {silent:.0f} s"
        elif self.outcome is None:
            state, detail = State.UNKNOWN, "has not answered yet"
        elif self.outcome.state is State.OK:
            state, detail = State.DEGRADED, "slow to answer"
        else:
            state, detail = self.outcome.state, self.outcome.detail
        return Reading(self.check, state, None, self.last_good, now, detail)

    def _due(self, older_than: float) -> bool:
        if self.outcome is None:
            return True
        kept = older_than if self.outcome.state is State.OK else min(older_than, RECHECK_SECONDS)
        return time.monotonic() - self.outcome.ended >= kept

    def _run(self) -> None:
        before = self.outcome
        try:
            self.outcome = _outcome(self.check)
            if self.outcome.state is State.OK:
                self.last_good = self.outcome.at
        finally:
            connection.close()
            self.done.set()
        _tell(self.check, before, self.outcome)
        self._remember()

    def _remember(self) -> None:
        """The last good moment outlives this process, where the cache does. Not waited for by anybody."""
        key = f"health:last-good:{self.check.name}"
        if self.outcome and self.outcome.state is State.OK:
            cache.set(key, self.outcome.at.isoformat(), REMEMBERED_SECONDS)
        elif self.last_good is None and (kept := cache.get(key)):
            self.last_good = datetime.fromisoformat(kept)


def _outcome(check: Check) -> _Outcome:
    began = time.monotonic()
    try:
        state, detail = State.OK, check.probe()
    except NotKnown as error:
        state, detail = State.UNKNOWN, str(error)
    except ServiceUnavailable as error:
        state, detail = State.DOWN, error.detail or error.reason
    except NotWell as error:
        state, detail = State.DOWN, str(error)
    except Error as error:
        state, detail = State.DOWN, "not reachable" if isinstance(error, OperationalError) else type(error).__name__
    except Exception as error:
        # The rest is in the log only: an exception may quote an address or a password.
        state, detail = State.DOWN, type(error).__name__
        logger.debug("check failed", exc_info=True, extra={"check": check.name})
    ended = time.monotonic()
    return _Outcome(state, detail[:200], ended - began, timezone.now(), ended)


def _tell(check: Check, before: _Outcome | None, after: _Outcome) -> None:
    """A line for each change, and none for what stays as it is."""
    if before is not None and before.state is after.state:
        return
    if after.state is State.DOWN:
        logger.warning("dependency down: %s", check.name, extra={"check": check.name, "detail": after.detail})
    elif before is not None and after.state is State.OK:
        logger.info("dependency back: %s", check.name, extra={"check": check.name})


_known_by_name: dict[str, _Asked] = {}
_lock = threading.Lock()


def read(checks: Sequence[Check], *, older_than: float) -> list[Reading]:
    """These checks, asked anew where what is known of them is older than so many seconds."""
    wanted = [_known(check) for check in checks if check.wanted()]
    for one in wanted:
        one.ask(older_than=older_than)
    ends = time.monotonic() + WAIT_SECONDS
    for one in wanted:
        if one.under_way:
            one.done.wait(max(0.0, ends - time.monotonic()))
    return [_known(check).reading() if check.wanted() else _off(check) for check in checks]


def forget() -> None:
    """Everything known; what is being asked is left to end by itself."""
    with _lock:
        _known_by_name.clear()


def _known(check: Check) -> _Asked:
    with _lock:
        return _known_by_name.setdefault(check.name, _Asked(check))


def _off(check: Check) -> Reading:
    return Reading(check, State.OFF, None, None, timezone.now(), "not configured")
