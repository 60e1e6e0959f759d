"""What the jobs do, and the sweep that finds what nobody is doing."""

from __future__ import annotations

import logging
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from rag.errors import ServiceUnavailable
from rag.index import drift, generations, jobs
from rag.index.coverage import behind, surplus
from rag.index.indexing import forget_hashes, note_deaths, reconcile
from rag.index.jobs import Watch
from rag.index.recipe import current_recipe
from rag.index.runners import get_runner
from rag.models import DriftScan, Generation, Job, Receipt
from rag.quality import promotion

logger = logging.getLogger(__name__)

DAY = 86_400.0
REST_SECONDS = 10.0  # after a failure the sweep leaves the services alone for so long
OVERDUE_SECONDS = 15.0  # a job that waits longer has been lost on the way; the sweep does it itself
JOB_DAYS = 30
BACKUP_POLL_SECONDS = 0.5


class BackupFailed(Exception):
    """The operator's command did not end well."""


def run(job_id: int, watch: Watch | None = None) -> bool:
    """Do the job if it still waits, and say whether: a second delivery of the same number changes nothing."""
    claim = jobs.claim(job_id)
    if claim is None:
        return False
    claim.watch = watch
    job = claim.read()
    try:
        outcome = _KINDS[job.kind](job, claim)
    except jobs.Superseded:
        logger.warning("another worker has this job now", extra={"job": job_id})
    except jobs.Cancelled:
        claim.finish(Job.State.CANCELLED, "Cancelled; what was done is kept.")
    except (ServiceUnavailable, BackupFailed) as error:
        claim.finish(Job.State.FAILED, str(error))
        logger.warning("%s stopped: %s", job.kind, error, extra={"job": job_id})
    except Exception as error:
        claim.finish(Job.State.FAILED, f"Unexpected: {type(error).__name__}. The log has the rest.")
        raise
    except BaseException:  # Ctrl-C, or a worker that is told to stop at once
        claim.give_back()
        raise
    else:
        claim.finish(Job.State.SUCCEEDED, outcome)
    return True


def run_waiting() -> None:
    for pk in jobs.waiting():
        run(pk)


def sweep() -> None:
    """Adopt what lost its worker, relay what was never enqueued, follow what no signal told, and keep to the hours."""
    jobs.adopt_abandoned()
    if not Job.objects.filter(state=Job.State.RUNNING).exists():
        for pk in jobs.waiting():
            get_runner().enqueue(pk)
        overdue = timezone.now() - timedelta(seconds=OVERDUE_SECONDS)
        for pk in Job.objects.filter(state=Job.State.QUEUED, created_at__lt=overdue).values_list("pk", flat=True):
            run(pk)
    if not jobs.busy_or_resting(REST_SECONDS) and index_is_behind():
        jobs.request()
    for kind in _daily():
        if not jobs.finished_since(kind, DAY):
            jobs.request(kind)


def index_is_behind() -> bool:
    """By the ledger, or because the collection has gone. A store that cannot be asked tells nothing."""
    generation = generations.live()
    if generation is None or generation.recipe != current_recipe().fingerprint:
        return True
    if any(behind(one).exists() or surplus(one).exists() for one in generations.followed()):
        return True
    try:
        return not generations.in_place(generation)
    except ServiceUnavailable:
        return False


def _reindex(job: Job, claim: jobs.Claim) -> str:
    """Every generation that follows the content, or only the entries that the scope names, indexed anew."""
    chosen: list[int] | None = job.scope.get("entries")
    target = generations.target()
    embedded = removed = 0
    for generation in generations.followed():
        if chosen is not None and job.attempts == 1:
            forget_hashes(generation, chosen)
        handled = reconcile(generation, Reporter(claim, embedded), only=chosen, suspects=_suspects(job, generation))
        embedded, removed = embedded + handled.embedded, removed + handled.removed
    replacing = target.state == Generation.State.BUILDING and target.replaces_recipe
    if replacing and not promotion.objections(target, progress=lambda points: claim.advance()):
        generations.promote(target)
    return f"{embedded} embedded, {removed} removed."


def _build(job: Job, claim: jobs.Claim) -> str:
    """A new generation beside the live one, complete and scanned; promoting it is another decision."""
    generation = Generation.objects.filter(pk=job.scope.get("generation", 0)).first() or generations.beside()
    Job.objects.filter(pk=job.pk).update(scope={**job.scope, "generation": generation.pk})
    reconcile(generation, Reporter(claim, 0), suspects=_suspects(job, generation))
    found = drift.scan(generation, progress=lambda points: claim.advance())
    return f"{generation.collection} holds all published entries; {found.sentence}"


def _scan(job: Job, claim: jobs.Claim) -> str:
    sentences = []
    for generation in generations.followed():
        found = drift.scan(generation, progress=lambda points: claim.advance(done=points, total=points))
        if job.scope.get("repair"):
            drift.repair(generation, found)
            reconcile(generation, Reporter(claim, 0))
            found = drift.scan(generation, progress=lambda points: claim.advance())
        sentences.append(f"{generation.collection}: {found.sentence}")
    return " ".join(sentences) or "There is no generation yet."


def _cleanup(job: Job, claim: jobs.Claim) -> str:
    """Receipts, ended jobs and scans past their time; generations that were kept for rollback long enough."""
    now = timezone.now()
    receipts, _ = Receipt.objects.filter(created_at__lt=now - timedelta(days=settings.RECEIPT_DAYS)).delete()
    ended = Q(finished_at__lt=now - timedelta(days=JOB_DAYS))
    Job.objects.filter(ended).delete()
    DriftScan.objects.filter(scanned_at__lt=now - timedelta(days=JOB_DAYS)).delete()
    reclaimed = [generation for generation in generations.past_their_time(now) if generations.reclaim(generation)]
    return f"{receipts} receipts deleted, {len(reclaimed)} generations reclaimed."


def _backup(job: Job, claim: jobs.Claim) -> str:
    """The operator's own command, heard of while it runs. Its output may hold secrets and is not kept."""
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # named by the operator, in the environment
        shlex.split(settings.BACKUP_COMMAND), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as backup:
        try:
            while (status := backup.poll()) is None:
                claim.take([])
                time.sleep(BACKUP_POLL_SECONDS)
        except (jobs.Cancelled, jobs.Superseded):
            backup.terminate()
            raise
    if status:
        raise BackupFailed(f"BACKUP_COMMAND ended with status {status}. What it said is in the worker's log.")
    return f"Done in {time.monotonic() - began:.0f} s."


_KINDS: dict[str, Callable[[Job, jobs.Claim], str]] = {
    Job.Kind.REINDEX: _reindex,
    Job.Kind.BUILD: _build,
    Job.Kind.SCAN: _scan,
    Job.Kind.CLEANUP: _cleanup,
    Job.Kind.BACKUP: _backup,
}


def _daily() -> list[str]:
    return [Job.Kind.SCAN, Job.Kind.CLEANUP, *([Job.Kind.BACKUP] if settings.BACKUP_COMMAND else [])]


@dataclass
class Reporter:
    """Tells the job's row how far its worker is."""

    claim: jobs.Claim
    before: int

    def take(self, entry_ids: Sequence[int]) -> None:
        self.claim.take(entry_ids)

    def advance(self, done: int, total: int, failed: int) -> None:
        self.claim.advance(done=self.before + done, total=self.before + total, failed=failed)
        if self.claim.watch:
            self.claim.watch(self.before + done, self.before + total)


def _suspects(job: Job, generation: Generation) -> list[int]:
    """What a worker that died had in hand: a try is counted against each, and they are taken one by one."""
    if job.in_flight:
        note_deaths(generation, job.in_flight)
    return job.in_flight
