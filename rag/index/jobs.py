"""Jobs: rows that say what is to be done, who does it and how far it is. What a job does is in `work.py`."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import Error, IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from rag.index.runners import beat, get_runner
from rag.models import Job

logger = logging.getLogger(__name__)

HELD_SECONDS = 3_600.0  # what somebody has cancelled goes on when asked to, with the next edit, or after this long
MOST_ATTEMPTS = 32_767  # that the column holds; at one in ten seconds, four days
ACTIVE = [Job.State.QUEUED, Job.State.RUNNING]


class Superseded(Exception):
    """Another worker has taken this job over, or it is over: stop at once, and write nothing more."""


class Cancelled(Exception):
    """Somebody asked for this job to stop."""


def request(kind: str = Job.Kind.REINDEX, scope: dict[str, Any] | None = None, *, user: Any = None) -> Job:
    """The job of this kind and scope that waits or runs already, or a new one. Enqueued after the commit."""
    active = Job.objects.filter(kind=kind, scope_key=_key(scope), state__in=ACTIVE)
    return active.order_by("-pk").first() or follow_up(kind, scope, user=user)


def request_again(kind: str = Job.Kind.REINDEX) -> Job:
    """For the sweep: what failed last and nobody had asked for is tried again as the same row, so that one trouble is
    one row, which tells how often it was tried."""
    last = Job.objects.filter(kind=kind, scope_key=_key(None)).order_by("-pk").first()
    if last is None or last.state != Job.State.FAILED or last.requested_by_id is not None:
        return request(kind)
    try:
        with transaction.atomic():
            failed = Job.objects.filter(pk=last.pk, state=Job.State.FAILED)
            failed.update(state=Job.State.QUEUED, claim=None, cancel_requested=False)
    except IntegrityError:  # one like it waits already
        return request(kind)
    transaction.on_commit(partial(_enqueue, last.pk))
    return last


def follow_up(kind: str = Job.Kind.REINDEX, scope: dict[str, Any] | None = None, *, user: Any = None) -> Job:
    """A job that starts from now on: one that runs already may have passed by what has just changed."""
    waiting = Job(kind=kind, scope=scope or {}, scope_key=_key(scope), requested_by=user)
    Job.objects.bulk_create([waiting], ignore_conflicts=True)
    job = Job.objects.filter(kind=kind, scope_key=_key(scope)).order_by("-pk").first()
    assert job is not None
    transaction.on_commit(partial(_enqueue, job.pk))
    return job


def claim(job_id: int) -> Claim | None:
    """The right to do this job; None when it is not waiting, or one like it is under way."""
    mine, now = uuid.uuid4(), timezone.now()
    waiting = Job.objects.filter(pk=job_id, state=Job.State.QUEUED)
    try:
        with transaction.atomic():
            claimed = waiting.update(
                state=Job.State.RUNNING,
                claim=mine,
                attempts=Least(F("attempts") + 1, MOST_ATTEMPTS),
                started_at=now,
                heartbeat_at=now,
                finished_at=None,
                outcome="",
            )
    except IntegrityError:
        return None
    return Claim(job_id, mine) if claimed else None


Watch = Callable[[int, int], None]


@dataclass
class Claim:
    """One worker's hold on one job. Every step proves that it still holds."""

    job_id: int
    token: uuid.UUID
    watch: Watch | None = None  # told how many are done, of how many

    def read(self) -> Job:
        return Job.objects.get(pk=self.job_id)

    def take(self, entry_ids: Sequence[int]) -> None:
        """Say what is in hand before it is touched, so that a death tells what it died of."""
        self._update(in_flight=list(entry_ids))
        if Job.objects.filter(pk=self.job_id, cancel_requested=True).exists():
            raise Cancelled

    def advance(self, **counts: int) -> None:
        self._update(in_flight=[], **counts)

    def give_back(self) -> None:
        """Somebody else may go on with it at once, instead of waiting until this worker has long been silent."""
        _requeue(self._held(), "Interrupted.")

    def finish(self, state: str, outcome: str) -> None:
        self._update(state=state, outcome=outcome[:2_000], in_flight=[], finished_at=timezone.now())
        logger.info("job ended", extra={"job": self.job_id, "state": str(state)})

    def _update(self, **values: Any) -> None:
        beat()
        if not self._held().update(heartbeat_at=timezone.now(), **values):
            raise Superseded

    def _held(self) -> QuerySet[Job]:
        return Job.objects.filter(pk=self.job_id, claim=self.token, state=Job.State.RUNNING)


def cancel(job: Job) -> None:
    """A waiting job never runs; a running one stops after the batch in hand. What is done stays done."""
    now = timezone.now()
    row = Job.objects.filter(pk=job.pk)
    if not row.filter(state=Job.State.QUEUED).update(
        state=Job.State.CANCELLED, outcome="Cancelled before it began.", finished_at=now
    ):
        row.filter(state=Job.State.RUNNING).update(cancel_requested=True)


def resume(job: Job, *, user: Any = None) -> Job:
    """Go on with a job that was cancelled or failed: only what is still behind is done."""
    scope = {} if job.kind == Job.Kind.REINDEX else job.scope  # what it had forgotten is behind: no need to begin anew
    return request(job.kind, scope, user=user)


def adopt_abandoned() -> int:
    """Put jobs whose worker went silent back into the queue. The silent one can write nothing any more."""
    since = timezone.now() - timedelta(seconds=settings.JOB_SILENT_SECONDS)
    silent = Job.objects.filter(state=Job.State.RUNNING, heartbeat_at__lt=since)
    adopted = 0
    for pk in silent.values_list("pk", flat=True):
        if _requeue(silent.filter(pk=pk), "The worker went away."):
            logger.warning("a job lost its worker and is taken up again", extra={"job": pk})
            adopted += 1
    return adopted


def _requeue(running: QuerySet[Job], otherwise: str) -> int:
    """How many of these rows were still running: they wait again, or end so where one like it waits already."""
    try:
        with transaction.atomic():
            return running.update(state=Job.State.QUEUED, claim=None)
    except IntegrityError:  # that one will do the same
        now = timezone.now()
        return running.update(state=Job.State.FAILED, claim=None, outcome=otherwise, finished_at=now)


def waiting() -> list[int]:
    """Numbers of the jobs that nobody has begun, oldest first."""
    rows = Job.objects.filter(state=Job.State.QUEUED).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def finished_since(kind: str, seconds: float) -> bool:
    """Has a job of this kind ended, or is one under way, so lately that another is not yet due?"""
    lately = timezone.now() - timedelta(seconds=seconds)
    recent = Q(state__in=ACTIVE) | Q(finished_at__gt=lately)
    return Job.objects.filter(recent, kind=kind).exists()


def failed_since(kind: str, seconds: float) -> bool:
    """Did the latest job of this kind that has ended end badly, and so lately?"""
    latest = Job.objects.filter(kind=kind).exclude(finished_at=None).order_by("-finished_at").first()
    since = timezone.now() - timedelta(seconds=seconds)
    return bool(latest and latest.finished_at and latest.state == Job.State.FAILED and latest.finished_at > since)


def busy_or_resting(seconds: float) -> bool:
    """Is work under way, did the latest end badly so lately that the services are to be left alone, or did
    somebody stop it so lately that the sweep is not to know better?"""
    indexing = Job.objects.filter(kind__in=[Job.Kind.REINDEX, Job.Kind.BUILD])
    if indexing.filter(state__in=ACTIVE).exists():
        return True
    held = timezone.now() - timedelta(seconds=HELD_SECONDS)
    newest = indexing.order_by("-pk").first()
    if newest and newest.state == Job.State.CANCELLED and newest.finished_at and newest.finished_at > held:
        return True
    latest = Job.objects.exclude(finished_at=None).order_by("-finished_at").first()
    rested = timezone.now() - timedelta(seconds=seconds)
    return bool(latest and latest.finished_at and latest.state == Job.State.FAILED and latest.finished_at > rested)


def _enqueue(job_id: int) -> None:
    """After the commit. Whatever goes wrong here, the sweep finds the row."""
    try:
        get_runner().enqueue(job_id)
    except Error as error:
        logger.warning("a job waits for the sweep: %s", type(error).__name__, extra={"job": job_id})


def _key(scope: dict[str, Any] | None) -> str:
    if not scope:
        return ""
    return hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()
