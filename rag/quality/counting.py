"""Counts receipts into tallies. May be done at any time and again: it always comes to what the receipts say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from rag.models import CountedHour, EntryDay, EntryTally, HourTally, Receipt

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GRACE = timedelta(minutes=2)  # an hour is closed so long after its end: clocks differ, and a write may be late
CHUNK = 1_000
FIGURES = ("answers", "degraded", "misses", "up", "down", "cached")
OF_RECEIPTS = {
    "answers": Count("pk"),
    "misses": Count("pk", filter=Q(miss=True)),
    "up": Count("pk", filter=Q(vote=Receipt.Vote.UP)),
    "down": Count("pk", filter=Q(vote=Receipt.Vote.DOWN)),
    "cached": Count("pk", filter=Q(cached=True)),
}
# hour (None where hours are not told apart), rung, stage, reason
Key = tuple[datetime | None, str, str, str]
Tallies = dict[Key, Counter[str]]


def floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def counted_until() -> datetime | None:
    """Everything before is counted, but for the hours marked stale. None before the first count."""
    last: datetime | None = CountedHour.objects.aggregate(last=models.Max("hour"))["last"]
    return last + HOUR if last else None


def due() -> bool:
    """Is there an hour that has ended and is not counted yet?"""
    return _uncounted(timezone.now()).exists()


def count(progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Count every hour that has ended and every one marked stale; the number of hours. Day by day, each at once."""
    _open_hours(timezone.now())
    days: dict[date, list[datetime]] = defaultdict(list)
    for hour in CountedHour.objects.filter(stale=True).order_by("hour").values_list("hour", flat=True):
        days[hour.astimezone(UTC).date()].append(hour)
    for done, (day, hours) in enumerate(days.items(), start=1):
        _count_day(day, hours)
        progress(done, len(days))
    return sum(len(hours) for hours in days.values())


def voted(answer_id: UUID, vote: str, reason: str) -> bool:
    """Keep a vote and mark its hour to be counted again; False when there is no such answer."""
    with transaction.atomic():
        receipt = Receipt.objects.filter(pk=answer_id)
        if not receipt.update(vote=vote, vote_reason=reason):
            return False
        CountedHour.objects.filter(hour=floor(receipt.values_list("created_at", flat=True)[0])).update(stale=True)
    return True


def tally(receipts: QuerySet[Receipt], *, by_hour: bool) -> Tallies:
    """What these receipts come to, in one query. See HourTally for what its rows count."""
    hour = {"hour": TruncHour("created_at", tzinfo=UTC)} if by_hour else {}
    groups: Iterable[Any] = receipts.order_by().values("answered_by", "fallbacks", **hour).annotate(**OF_RECEIPTS)
    found: Tallies = defaultdict(Counter)
    for group in groups:
        figures = Counter({name: group[name] for name in OF_RECEIPTS})
        figures["degraded"] = group["answers"] if group["fallbacks"] else 0
        for stage, reason in [("", ""), *map(tuple, group["fallbacks"])]:
            found[group.get("hour"), group["answered_by"], stage, reason].update(figures)
    return found


def _uncounted(now: datetime) -> QuerySet[Receipt]:
    ended = Receipt.objects.filter(created_at__lt=floor(now - GRACE))
    since = counted_until()
    return ended.filter(created_at__gte=since) if since else ended


def _open_hours(now: datetime) -> None:
    hours = _uncounted(now).order_by().values_list(TruncHour("created_at", tzinfo=UTC), flat=True).distinct()
    CountedHour.objects.bulk_create([CountedHour(hour=hour) for hour in hours], ignore_conflicts=True)


def _count_day(day: date, hours: Sequence[datetime]) -> None:
    """A vote that comes meanwhile waits for our rows, and then marks its hour again."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with transaction.atomic():
        held = CountedHour.objects.filter(hour__in=hours)
        if start < timezone.now() - timedelta(days=settings.RECEIPT_DAYS):
            # Some of that day's receipts may be deleted already: what was counted when they were there stands.
            held.exclude(counted_at=None).update(stale=False)
            held = held.filter(counted_at=None)
        fresh = list(held.values_list("hour", flat=True))
        if not fresh or not held.update(stale=False, counted_at=timezone.now()):
            return
        _write_hours(fresh, start)
        _write_entries(day, start)


def _write_hours(hours: Sequence[datetime], start: datetime) -> None:
    receipts = Receipt.objects.filter(created_at__gte=start, created_at__lt=start + DAY)
    HourTally.objects.filter(hour__in=hours).delete()
    HourTally.objects.bulk_create(
        HourTally(hour=hour, rung=rung, stage=stage, reason=reason, **{name: figures[name] for name in FIGURES})
        for (hour, rung, stage, reason), figures in tally(receipts, by_hour=True).items()
        if hour and hour in hours
    )


def _write_entries(day: date, start: datetime) -> None:
    end = min(start + DAY, counted_until() or start)
    rows = by_entry(Receipt.objects.filter(created_at__gte=start, created_at__lt=end))
    touched = {*EntryDay.objects.filter(day=day).values_list("entry_id", flat=True), *rows}
    EntryDay.objects.filter(day=day).delete()
    EntryDay.objects.bulk_create(
        (EntryDay(entry_id=entry_id, day=day, **figures) for entry_id, figures in rows.items()), batch_size=CHUNK
    )
    _sum_up(sorted(touched))


def by_entry(receipts: QuerySet[Receipt]) -> dict[int, dict[str, int]]:
    """Asks and votes of the entries that these receipts were answered from."""
    figures = {"asks": OF_RECEIPTS["answers"], "up": OF_RECEIPTS["up"], "down": OF_RECEIPTS["down"]}
    groups: Iterable[Any] = receipts.exclude(entry_id=None).order_by().values("entry_id").annotate(**figures)
    return {group.pop("entry_id"): group for group in map(dict, groups)}


def _sum_up(entry_ids: Sequence[int]) -> None:
    for at in range(0, len(entry_ids), CHUNK):
        some = entry_ids[at : at + CHUNK]
        sums = (
            EntryDay.objects.filter(entry_id__in=some)
            .values("entry_id")
            .annotate(n=Sum("asks"), liked=Sum("up"), disliked=Sum("down"))
            .values_list("entry_id", "n", "liked", "disliked")
        )
        EntryTally.objects.filter(entry_id__in=some).delete()
        EntryTally.objects.bulk_create(EntryTally(entry_id=i, asks=n, up=u, down=d) for i, n, u, d in sums)
