"""How the parts behind were, minute by minute: one row for each stretch of one state, not one for each look.

Whoever does the jobs looks, in a thread of its own. What it sees while the database is away it keeps, and writes once
that is back: so an outage of the database is told as well.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import Error, connection
from django.utils import timezone

from console.models import HealthStretch
from monitoring.asking import HANGS_SECONDS
from monitoring.health import Reading, State, readings
from rag.signals import at_work, cleaned_up

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
FIRST_SECONDS = 5.0  # who has just begun to do jobs is not yet counted among those who do
BROKEN_OFF = timedelta(minutes=3)  # after so long without a look nothing is known of the time between
SLOW_MS = 1_000.0  # a part that takes so long to answer is not well
KEPT = timedelta(days=7)
MOST = 200  # stretches of a part that are held while the database is away


class Recorder:
    """What this process has seen: of each part the stretch that goes on, and what is not written yet."""

    def __init__(self) -> None:
        self._seen: dict[str, list[HealthStretch]] = {}

    def see(self, found: Sequence[Reading], now: datetime) -> None:
        for one in found:
            if one.state is not State.OFF:
                self._add(one.check.name, *judged(one), now)

    def write(self) -> None:
        """Raises the database's own errors; what was not written is kept for the next time."""
        for stretches in self._seen.values():
            for one in stretches:
                _put(one)
            del stretches[:-1]

    def _add(self, part: str, state: str, detail: str, now: datetime) -> None:
        stretches = self._seen.setdefault(part, [])
        if stretches and _goes_on(stretches[-1], state, now):
            stretches[-1].until = now
            return
        stretches.append(HealthStretch(part=part, state=state, detail=detail, since=now, until=now))
        del stretches[:-MOST]


def judged(reading: Reading) -> tuple[str, str]:
    """Its state, and what is worth a word: of what is well, nothing."""
    if reading.state is not State.OK:
        return reading.state, reading.detail
    if reading.latency_ms is not None and reading.latency_ms >= SLOW_MS:
        return State.DEGRADED, f"answered after {reading.latency_ms / 1_000:.1f} s"
    return State.OK, ""


def connect() -> None:
    at_work.connect(_begin, dispatch_uid="console.health_record.begin")
    cleaned_up.connect(_forget_the_oldest, dispatch_uid="console.health_record.cleaned_up")


def look(recorder: Recorder) -> None:
    """Once: ask every part, leave those that hang the time to be told from slow ones, and write it down."""
    readings()
    time.sleep(HANGS_SECONDS)
    recorder.see(readings(), timezone.now())
    try:
        recorder.write()
    except Error:
        logger.info("the health record waits for the database")


def _goes_on(stretch: HealthStretch, state: str, now: datetime) -> bool:
    return stretch.state == state and now - stretch.until <= BROKEN_OFF


def _put(stretch: HealthStretch) -> None:
    """Go on with the newest row where that says the same, whoever began it; else begin one."""
    newest = HealthStretch.objects.filter(part=stretch.part).order_by("-since", "-pk").first()
    if newest is not None and (newest.pk == stretch.pk or _goes_on(newest, stretch.state, stretch.since)):
        stretch.pk = newest.pk
        HealthStretch.objects.filter(pk=newest.pk, until__lt=stretch.until).update(until=stretch.until)
        return
    if stretch.pk is not None:  # another process has seen something else since: this one saw its own again just now
        stretch.pk, stretch.since = None, stretch.until
    stretch.save(force_insert=True)


def _begin(**_: object) -> None:
    threading.Thread(target=_look_for_ever, name="health-record", daemon=True).start()


def _look_for_ever() -> None:
    recorder = Recorder()
    time.sleep(FIRST_SECONDS)
    while True:
        try:
            look(recorder)
        except Exception:
            logger.exception("the health record goes on after an error")
        finally:
            connection.close()
        time.sleep(EVERY_SECONDS - HANGS_SECONDS)


def _forget_the_oldest(**_: object) -> None:
    HealthStretch.objects.filter(until__lt=timezone.now() - KEPT).delete()
