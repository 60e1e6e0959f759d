"""The last 24 hours of each part, as the health page draws them: quarter hours, and in words what was not well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, zip_longest

from django.db import Error

from console.health_record import BROKEN_OFF
from console.models import HealthStretch
from console.spans import spoken
from monitoring.asking import Check
from monitoring.health import CHECKS, State

WINDOW = timedelta(hours=24)
SEGMENT = timedelta(minutes=15)
SEGMENTS = int(WINDOW / SEGMENT)
STEP, HEIGHT = 10.0, 24.0  # of the drawing
TOLD = 30  # of what was not well, in words
# A quarter of an hour is as bad as its worst moment. What is bad stands tall, for those who see no colours.
WORST_FIRST = (State.DOWN, State.DEGRADED, State.UNKNOWN, State.OK)
TALL = {State.DOWN: 1.0, State.DEGRADED: 0.75, State.OK: 0.5, State.UNKNOWN: 0.12}
WORDS = {State.DOWN: "down", State.DEGRADED: "degraded", State.OK: "OK", State.UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Seen:
    """A stretch within the window, and up to the next one where nobody had to look in between."""

    state: State
    since: datetime
    until: datetime
    detail: str = ""

    @property
    def span(self) -> str:
        return spoken((self.until - self.since).total_seconds())


@dataclass(frozen=True)
class Bar:
    """Neighbouring quarter hours of one state, in the units of the drawing."""

    state: State
    words: str
    x: float
    width: float

    @property
    def height(self) -> float:
        return HEIGHT * TALL[self.state]

    @property
    def y(self) -> float:
        return HEIGHT - self.height


@dataclass(frozen=True)
class Strip:
    title: str
    summary: str
    bars: list[Bar]
    seen: list[Seen]


def strips(now: datetime) -> list[Strip]:
    """Of every part that is configured, by one query; none where the database does not say."""
    try:
        rows = list(HealthStretch.objects.filter(until__gt=now - WINDOW).order_by("since", "pk"))
    except Error:
        return []
    return [_strip(check, [row for row in rows if row.part == check.name], now) for check in CHECKS if check.wanted()]


def not_well(found: Iterable[Strip]) -> list[tuple[str, Seen]]:
    """In words, the newest first."""
    told = [(strip.title, one) for strip in found for one in strip.seen if one.state is not State.OK]
    return sorted(told, key=lambda pair: pair[1].since, reverse=True)[:TOLD]


def hours(now: datetime) -> list[tuple[float, str]]:
    """For the axis: where, in percent of its width, and what is written there. None so late that it would stick out."""
    first = _begin(now)
    marks = [(n, first + n * SEGMENT) for n in range(SEGMENTS)]
    return [
        (100 * n / SEGMENTS, f"{at:%H:%M}")
        for n, at in marks
        if at.minute == 0 and at.hour % 4 == 0 and n < SEGMENTS - 5
    ]


def _strip(check: Check, rows: Sequence[HealthStretch], now: datetime) -> Strip:
    seen = _joined(rows, now - WINDOW, now)
    return Strip(check.title, _summary(seen), _bars(seen, now), seen)


def _joined(rows: Sequence[HealthStretch], begin: datetime, now: datetime) -> list[Seen]:
    """One after the other: what several processes saw does not overlap, and what lies between two looks is counted."""
    seen: list[Seen] = []
    for row, following in zip_longest(rows, rows[1:]):
        next_look = following.since if following else now
        until = next_look if timedelta() <= next_look - row.until <= BROKEN_OFF else min(row.until, next_look)
        since = max(row.since, begin, seen[-1].until if seen else begin)
        if until > since:
            seen.append(Seen(State(row.state), since, until, row.detail))
    return seen


def _summary(seen: Sequence[Seen]) -> str:
    """Down for 20 min, OK for 23 h 40 min."""
    if not seen:
        return "not looked at"
    seconds = dict.fromkeys(WORST_FIRST, 0.0)
    for one in seen:
        seconds[one.state] += (one.until - one.since).total_seconds()
    seconds[State.UNKNOWN] = WINDOW.total_seconds() - sum(seconds.values()) + seconds[State.UNKNOWN]
    told = [(state, span) for state in TALL if (span := seconds[state]) >= 1]
    return ", ".join(f"{WORDS[state]} for {spoken(span)}" for state, span in told)


def _bars(seen: Sequence[Seen], now: datetime) -> list[Bar]:
    states = [_worst(seen, begin, min(begin + SEGMENT, now)) for begin in _quarters(now)]
    bars, at = [], 0
    for state, run in groupby(states):
        length = len(list(run))
        since, until = _begin(now) + at * SEGMENT, min(_begin(now) + (at + length) * SEGMENT, now)
        bars.append(Bar(state, f"{since:%H:%M} to {until:%H:%M}: {WORDS[state]}", at * STEP, length * STEP))
        at += length
    return bars


def _worst(seen: Sequence[Seen], begin: datetime, end: datetime) -> State:
    """What was seen in it; unknown where nobody looked for most of it and nothing bad was seen."""
    within = [one for one in seen if one.since < end and one.until > begin]
    looked = sum((min(one.until, end) - max(one.since, begin) for one in within), timedelta())
    states = {one.state for one in within} | ({State.UNKNOWN} if looked < (end - begin) / 2 else set())
    return next(state for state in WORST_FIRST if state in states)


def _begin(now: datetime) -> datetime:
    """The first quarter hour; the last is the one that goes on."""
    current = now.replace(minute=now.minute - now.minute % 15, second=0, microsecond=0)
    return current - (SEGMENTS - 1) * SEGMENT


def _quarters(now: datetime) -> list[datetime]:
    return [_begin(now) + n * SEGMENT for n in range(SEGMENTS)]
