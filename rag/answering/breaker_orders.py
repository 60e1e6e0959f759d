"""Breakers as operators see and set them: orders for all processes, and reports from each, in the database.

A question looks here at most every two seconds; with the database away the last orders hold.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import datetime, timedelta

from django.db import Error, transaction
from django.utils import timezone

from rag.models import BreakerOrder, BreakerReport
from rag.resilience import BreakerState, breakers

LOOK_SECONDS = 2.0
SEEN_SECONDS = 30.0  # between two reports of the same
FORGOTTEN = timedelta(days=1)
# An order to close the database's own breaker would wait behind it.
WITHOUT_ORDERS = frozenset({"database"})

_lock = threading.Lock()
_looked_at = 0.0
_obeyed: dict[str, datetime] = {}
_reported: dict[str, tuple[str, str, float]] = {}  # state, cause and when it was told


def order(service: str, *, tripped: bool, by: str) -> None:
    """Obeyed by every process within seconds of its next question."""
    said = {"tripped": tripped, "by": by, "at": timezone.now()}
    BreakerOrder.objects.update_or_create(service=service, defaults=said)


def look() -> None:
    """Obey what was ordered and tell how things stand. Cheap: nothing, except every two seconds. Raises Error."""
    global _looked_at
    with _lock:
        if (now := time.monotonic()) - _looked_at < LOOK_SECONDS:
            return
        _looked_at = now
    _obey()
    _report(now)


def forget() -> None:
    global _looked_at
    with _lock:
        _looked_at = 0.0
        _obeyed.clear()
        _reported.clear()


def _obey() -> None:
    for one in BreakerOrder.objects.all():
        breaker = breakers().get(one.service)
        if breaker is None or one.service in WITHOUT_ORDERS or _obeyed.get(one.service) == one.at:
            continue
        # The order of a reset is for those who lived then: a process that is new has nothing to forget.
        if one.tripped:
            breaker.trip()
        elif breaker.tripped or one.service in _obeyed or one.at > timezone.now() - timedelta(minutes=1):
            breaker.reset()
        _obeyed[one.service] = one.at


def _report(now: float) -> None:
    for breaker in breakers().values():
        state = breaker.state
        before = _reported.get(state.service, ("", "", 0.0))
        changed = before[:2] != (state.state, state.cause)
        if changed or now - before[2] > SEEN_SECONDS:
            _reported[state.service] = (state.state, state.cause, now)
            _write(state, changed=changed)


def _write(state: BreakerState, *, changed: bool) -> None:
    at = timezone.now()
    told = {"state": state.state, "cause": state.cause, "seen_at": at} | ({"since": at} if changed else {})
    try:
        with transaction.atomic():
            BreakerReport.objects.update_or_create(
                service=state.service, process=process(), defaults=told, create_defaults=told | {"since": at}
            )
            BreakerReport.objects.filter(seen_at__lt=at - FORGOTTEN).delete()
    except Error:
        _reported.pop(state.service, None)
        raise


def process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
