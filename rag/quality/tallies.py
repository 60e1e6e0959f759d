"""Figures of a stretch of time and of an entry: from the roll-ups, and for what they do not hold yet from receipts.

Every function asks the same few queries however many receipts there are, and its figures are exact.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from rag.models import CountedHour, EntryTally, HourTally, Receipt
from rag.quality import counting
from rag.quality.counting import FIGURES, HOUR, Tallies, floor


class Answers(NamedTuple):
    """`n` answers that this rung gave; with a stage and a reason, those of them that fell back so."""

    rung: str
    stage: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class Totals:
    answers: int = 0
    degraded: int = 0
    misses: int = 0
    up: int = 0
    down: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Hour:
    """One point of a chart."""

    hour: datetime
    totals: Totals
    rungs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """How often an entry was the first source of an answer, and what was thought of it."""

    asks: int = 0
    up: int = 0
    down: int = 0


def answers(since: datetime, until: datetime) -> list[Answers]:
    """By rung, and by rung, stage and reason; the most frequent first. Rows without a stage add up to all answers."""
    found = _tallies(since, until, by_hour=False)
    rows = [Answers(rung, stage, reason, n["answers"]) for (_, rung, stage, reason), n in found.items()]
    return sorted(rows, key=lambda row: (-row.n, row))


def totals(since: datetime, until: datetime) -> Totals:
    return _totals(_tallies(since, until, by_hour=False))


def with_window_before(window: timedelta, until: datetime | None = None) -> tuple[Totals, Totals]:
    """This window up to now (or `until`), and the one of the same length before it."""
    end = until or timezone.now()
    return totals(end - window, end), totals(end - 2 * window, end - window)


def hourly(since: datetime, until: datetime) -> list[Hour]:
    """Every hour from that of `since`, whole, to that of `until`; hours without answers too."""
    since = floor(since)
    by_hour: dict[datetime, Tallies] = defaultdict(dict)
    for key, figures in _tallies(since, until, by_hour=True).items():
        if key[0] is not None:
            by_hour[key[0]][key] = figures
    hours = []
    while since < until:
        hours.append(_hour(since, by_hour.get(since, {})))
        since += HOUR
    return hours


def asks(entry_ids: Sequence[int]) -> dict[int, Asked]:
    """Of each of these entries, ever, the current hour too; votes on earlier hours count within the hour."""
    since = counting.counted_until()
    recent = Receipt.objects.filter(entry_id__in=entry_ids)
    rest = counting.by_entry(recent.filter(created_at__gte=since) if since else recent)
    found = {pk: Counter(rest.get(pk, {})) for pk in entry_ids}
    for row in EntryTally.objects.filter(entry_id__in=entry_ids):
        found[row.entry_id].update(asks=row.asks, up=row.up, down=row.down)
    return {pk: Asked(figures["asks"], figures["up"], figures["down"]) for pk, figures in found.items()}


def with_asks(entries: QuerySet[Any]) -> QuerySet[Any]:
    """The entries with `asks`, `up` and `down` to be put in order by, as of the last hour that was counted."""
    tally = EntryTally.objects.filter(entry_id=OuterRef("pk"))
    columns = {
        name: Coalesce(Subquery(tally.values(name), output_field=IntegerField()), 0) for name in ("asks", "up", "down")
    }
    annotated: QuerySet[Any] = entries.annotate(**columns)
    return annotated


def _hour(hour: datetime, found: Tallies) -> Hour:
    rungs: Counter[str] = Counter()
    for (_, rung, stage, _), figures in found.items():
        if not stage:
            rungs[rung] += figures["answers"]
    return Hour(hour, _totals(found), rungs)


def _totals(found: Tallies) -> Totals:
    all_answers: Counter[str] = Counter()
    for (_, _, stage, _), figures in found.items():
        if not stage:
            all_answers.update(figures)
    return Totals(**{name: all_answers[name] for name in FIGURES})


def _tallies(since: datetime, until: datetime, *, by_hour: bool) -> Tallies:
    """Whole hours that are counted, from the roll-ups; the edges and what is not counted yet, from the receipts.

    By the hour, fallbacks are left out of what is counted: they would be most of the rows, and no chart shows them.
    """
    first = floor(since) + (HOUR if floor(since) < since else timedelta(0))
    last = min(floor(until), counting.counted_until() or first)
    if first >= last:
        return _raw([(since, until)], by_hour=by_hour)
    stale = CountedHour.objects.filter(stale=True, hour__gte=first, hour__lt=last).values_list("hour", flat=True)
    raw = [(since, first), (last, until), *((hour, hour + HOUR) for hour in stale)]
    found = _raw([(begin, end) for begin, end in raw if begin < end], by_hour=by_hour)
    for key, figures in _counted(first, last, by_hour=by_hour):
        found[key].update(figures)
    return found


def _raw(stretches: Sequence[tuple[datetime, datetime]], *, by_hour: bool) -> Tallies:
    if not stretches:
        return defaultdict(Counter)
    within = Q()
    for begin, end in stretches:
        within |= Q(created_at__gte=begin, created_at__lt=end)
    return counting.tally(Receipt.objects.filter(within), by_hour=by_hour)


def _counted(first: datetime, last: datetime, *, by_hour: bool) -> Iterable[tuple[counting.Key, Counter[str]]]:
    stale = CountedHour.objects.filter(stale=True)
    rows = HourTally.objects.filter(hour__gte=first, hour__lt=last).exclude(hour__in=stale.values("hour"))
    if by_hour:
        rows = rows.filter(stage="")
    columns = ["hour", "rung", "stage", "reason"] if by_hour else ["rung", "stage", "reason"]
    sums = {f"sum_{name}": Sum(F(name)) for name in FIGURES}
    for row in rows.values(*columns).annotate(**sums).order_by():
        figures = Counter({name: row[f"sum_{name}"] for name in FIGURES})
        yield (row.get("hour"), row["rung"], row["stage"], row["reason"]), figures
