"""One reading of the state, for page and metric alike, so that console and alert cannot disagree."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import Error
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from monitoring import migrated
from monitoring.migrated import AppMigrations
from rag.answering import pipeline
from rag.answering.database import bounded
from rag.index import generations
from rag.index.coverage import Coverage, behind, coverage
from rag.models import DriftScan, Generation, Job
from rag.resilience import Deadline

logger = logging.getLogger(__name__)

KEPT_SECONDS = 3.0
PATIENCE = 1.0  # with a database that hangs: the scrape shall not, and have the whole product taken for down
SHOWN = 20  # jobs and generations that are listed; their number is counted, not listed


@dataclass(frozen=True, slots=True)
class LastScan:
    """The last comparison of content and index. Without counts it broke off, and so nothing is known."""

    counts: dict[str, int] | None
    points: int
    error: str
    scanned_at: datetime

    @property
    def clean(self) -> bool | None:
        return None if self.counts is None else not any(self.counts.values())


@dataclass(frozen=True, slots=True)
class Jobs:
    waiting: int = 0
    running: int = 0
    failed: int = 0  # in the last 24 hours
    oldest_waiting_seconds: float = 0.0  # 0 when none waits
    at_work: list[Job] = field(default_factory=list)
    last_day: dict[tuple[str, str], int] = field(default_factory=dict)  # ended, by kind and state
    last_success: dict[str, datetime] = field(default_factory=dict)  # by kind


@dataclass(frozen=True, slots=True)
class Snapshot:
    """None where it is not known, because the database did not say."""

    as_of: datetime
    image: str  # of this release, where the image says so
    breakers: dict[str, str]  # "closed" or "open", as this process has them
    coverage: Coverage | None = None
    oldest_behind_seconds: float | None = None  # since the edit that is longest not in the index; 0 when none
    drift: LastScan | None = None
    generations: list[Generation] | None = None
    jobs: Jobs | None = None
    migrations: list[AppMigrations] | None = None

    @property
    def live(self) -> Generation | None:
        rows = self.generations or []
        return next((one for one in rows if one.state == Generation.State.LIVE), None)

    @property
    def pending_migrations(self) -> int | None:
        return None if self.migrations is None else sum(one.pending for one in self.migrations)


_lock = threading.Lock()
_kept: tuple[float, Snapshot] | None = None


def snapshot(*, fresh: bool = False) -> Snapshot:
    """As of at most some seconds ago, or of now. A dozen queries, however much there is; none fails the caller."""
    global _kept
    with _lock:
        now = time.monotonic()
        if _kept is None or fresh or now - _kept[0] > KEPT_SECONDS:
            _kept = now, _take()
        return _kept[1]


def forget() -> None:
    global _kept
    with _lock:
        _kept = None


def _take() -> Snapshot:
    known: dict[str, Any] = {
        "as_of": timezone.now(),
        "image": os.environ.get("IMAGE_VERSION", ""),
        "breakers": _breakers(),
    }
    try:
        with bounded(Deadline(2 * PATIENCE)):  # of which it takes half
            known["migrations"] = migrated.by_app()
            known["generations"] = list(Generation.objects.all()[:SHOWN])
            known["coverage"] = coverage()
            known["oldest_behind_seconds"] = _oldest_behind(known["as_of"])
            known["drift"] = _last_scan()
            known["jobs"] = _jobs(known["as_of"])
    except Error as error:  # what was read before that is true all the same
        logger.warning("the state is not wholly known: %s", type(error).__name__)
    return Snapshot(**known)


def _breakers() -> dict[str, str]:
    return {one.service: "open" if one.is_open else "closed" for one in pipeline.breakers().values()}


def _oldest_behind(now: datetime) -> float:
    """Parked entries are counted by themselves: they wait for an edit, not for the index."""
    generation = generations.live()
    if generation is None:
        return 0.0
    since: datetime | None = behind(generation).order_by().aggregate(since=Min("updated_at"))["since"]
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _last_scan() -> LastScan | None:
    last = DriftScan.objects.filter(generation__state=Generation.State.LIVE).first()
    return LastScan(last.counts, last.points, last.error, last.scanned_at) if last else None


def _jobs(now: datetime) -> Jobs:
    state = Job.State
    sums = Job.objects.aggregate(
        waiting=Count("pk", filter=Q(state=state.QUEUED)),
        running=Count("pk", filter=Q(state=state.RUNNING)),
        oldest=Min("created_at", filter=Q(state=state.QUEUED)),
    )
    ended = Job.objects.filter(finished_at__gt=now - timedelta(days=1)).order_by()
    last_day = {
        (kind, end): count for kind, end, count in ended.values_list("kind", "state").annotate(count=Count("pk"))
    }
    succeeded = Job.objects.filter(state=state.SUCCEEDED).order_by().values_list("kind")
    return Jobs(
        waiting=sums["waiting"],
        running=sums["running"],
        failed=sum(count for (_, end), count in last_day.items() if end == state.FAILED),
        oldest_waiting_seconds=max(0.0, (now - sums["oldest"]).total_seconds()) if sums["oldest"] else 0.0,
        at_work=list(Job.objects.filter(state=state.RUNNING).order_by("pk")[:SHOWN]),
        last_day=last_day,
        last_success={kind: at for kind, at in succeeded.annotate(at=Max("finished_at")) if at},
    )
