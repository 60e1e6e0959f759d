"""What the jobs do, and the sweep that finds what nobody is doing."""

from __future__ import annotations

import logging
import os
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
from rag.index.indexing import forget_all_hashes, forget_hashes, note_deaths, reconcile
from rag.index.jobs import Watch
from rag.index.recipe import current_recipe
from rag.index.runners import get_runner
from rag.models import DriftScan, Generation, Job, Receipt
from rag.quality import counting, misses, promotion, replaying
from rag.signals import cleaned_up

logger = logging.getLogger(__name__)

DAY = 86_400.0
REST_SECONDS = 10.0  # after a failure the sweep leaves the services alone for so long
OVERDUE_SECONDS = 15.0  # a job that waits longer has been lost on the way; the sweep does it itself
JOB_DAYS = 30
GROUPING_SECONDS = 300.0
OFTEN = [Job.Kind.TALLY, Job.Kind.MISSES]  # so often that their successes are of no interest on the next day
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
    except promotion.PromotionRefused as refused:
        claim.finish(Job.State.FAILED, "\n".join(["Refused; reads go where they went before.", *refused.reasons]))
        logger.warning("%s refused: %s", job.kind, refused, extra={"job": job_id})
    except (ServiceUnavailable, BackupFailed) as error:
        tried = f" Tried {job.attempts} times." if job.attempts > 1 else ""
        claim.finish(Job.State.FAILED, f"{error}{tried}")
        logger.warning("%s stopped: %s", job.kind, error, extra={"job": job_id, "attempts": job.attempts})
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
        jobs.request_again()
    if counting.due() and not jobs.finished_since(Job.Kind.TALLY, REST_SECONDS):
        jobs.request(Job.Kind.TALLY)
    if _misses_are_due():
        jobs.request(Job.Kind.MISSES)
    for kind in _daily():
        if not jobs.finished_since(kind, DAY):
            jobs.request(kind)


def _misses_are_due() -> bool:
    """Nobody waits for them: after a failure the services are left alone for as long as between two groupings."""
    if jobs.failed_since(Job.Kind.MISSES, GROUPING_SECONDS):
        return False
    if replaying.due() and not jobs.finished_since(Job.Kind.MISSES, REST_SECONDS):
        return True
    return misses.ungrouped().exists() and not jobs.finished_since(Job.Kind.MISSES, GROUPING_SECONDS)


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
        if job.attempts == 1:
            _forget(generation, job, chosen)
        handled = reconcile(generation, Reporter(claim, embedded), only=chosen, suspects=_suspects(job, generation))
        embedded, removed = embedded + handled.embedded, removed + handled.removed
    replacing = target.state == Generation.State.BUILDING and target.replaces_recipe
    if replacing and not promotion.objections(target, progress=lambda points: claim.advance()):
        generations.promote(target)
    return f"{embedded} embedded, {removed} removed."


def _forget(generation: Generation, job: Job, chosen: list[int] | None) -> None:
    """What is to be indexed anew though its text has not changed. Once a job: what it has done stays done."""
    if job.scope.get("all"):
        forget_all_hashes(generation)
    elif chosen is not None:
        forget_hashes(generation, chosen)


def _build(job: Job, claim: jobs.Claim) -> str:
    """A new generation beside the live one, complete and scanned; promoting it is another decision."""
    generation = Generation.objects.filter(pk=job.scope.get("generation", 0)).first() or generations.beside()
    Job.objects.filter(pk=job.pk).update(scope={**job.scope, "generation": generation.pk})
    reconcile(generation, Reporter(claim, 0), suspects=_suspects(job, generation))
    found = drift.scan(generation, progress=_counted(claim))
    return f"{generation.collection} holds all published entries; {found.sentence}"


def _scan(job: Job, claim: jobs.Claim) -> str:
    sentences = []
    for generation in generations.followed():
        found = drift.scan(generation, progress=_counted(claim))
        if job.scope.get("repair"):
            kinds = job.scope.get("kinds")
            drift.repair(generation, found.only(kinds) if kinds else found)
            reconcile(generation, Reporter(claim, 0))
            found = drift.scan(generation, progress=lambda points: claim.advance())
        sentences.append(f"{generation.collection}: {found.sentence}")
    return " ".join(sentences) or "There is no generation yet."


def _promote(job: Job, claim: jobs.Claim) -> str:
    """Looked at as a whole first, which takes its time: therefore a job."""
    generation = Generation.objects.filter(pk=job.scope["generation"]).first()
    if generation is None:
        raise promotion.PromotionRefused(["This generation no longer exists."])
    promotion.promote(generation, progress=_counted(claim))
    return f"{generation.collection} is live: reads go to it from now on."


def _roll_back(job: Job, claim: jobs.Claim) -> str:
    generation = promotion.roll_back(Reporter(claim, 0))
    return f"{generation.collection} is live again."


def _cleanup(job: Job, claim: jobs.Claim) -> str:
    """Receipts, ended jobs and scans past their time; generations that were kept for rollback long enough."""
    now = timezone.now()
    counting.count()  # before they are gone
    receipts, _ = Receipt.objects.filter(created_at__lt=now - timedelta(days=settings.RECEIPT_DAYS)).delete()
    ended = Q(finished_at__lt=now - timedelta(days=JOB_DAYS))
    Job.objects.filter(ended).delete()
    DriftScan.objects.filter(scanned_at__lt=now - timedelta(days=JOB_DAYS)).delete()
    reclaimed = [generation for generation in generations.past_their_time(now) if generations.reclaim(generation)]
    misses.forget_before(now - timedelta(days=settings.RECEIPT_DAYS))
    Job.objects.filter(kind__in=OFTEN, state=Job.State.SUCCEEDED, finished_at__lt=now - timedelta(days=1)).delete()
    for receiver, answer in cleaned_up.send_robust(sender=Job):
        if isinstance(answer, Exception):
            logger.warning("not cleaned up: %s", type(answer).__name__, extra={"receiver": str(receiver)})
    return f"{receipts} receipts deleted, {len(reclaimed)} generations reclaimed."


def _tally(job: Job, claim: jobs.Claim) -> str:
    """The receipts of every hour that has ended, or was voted on since, into the roll-ups."""
    hours = counting.count(_told(claim))
    return f"{hours} hours counted."


def _misses(job: Job, claim: jobs.Claim) -> str:
    """New misses into groups; and the groups asked again near which the index has changed."""
    grouped = misses.group_new(_told(claim))
    closed = replaying.replay_concerned(_told(claim))
    return f"{grouped} misses grouped, {len(closed)} groups closed."


def _told(claim: jobs.Claim) -> jobs.Watch:
    """Tells the row how far it is, and stops between two steps when somebody asks for it."""

    def step(done: int, total: int) -> None:
        claim.advance(done=done, total=total)
        claim.take([])

    return step


def _backup(job: Job, claim: jobs.Claim) -> str:
    """The operator's own command, heard of while it runs. Its output may hold secrets and is not kept."""
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # named by the operator, in the environment
        shlex.split(settings.BACKUP_COMMAND),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "STEADFAST_JOB": str(job.pk)},  # `manage.py backup` records itself where this is not set
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
    Job.Kind.PROMOTE: _promote,
    Job.Kind.ROLL_BACK: _roll_back,
    Job.Kind.TALLY: _tally,
    Job.Kind.MISSES: _misses,
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
        if self.claim.watch and done:
            self.claim.watch(self.before + done, self.before + total)


def _counted(claim: jobs.Claim) -> Callable[[int], None]:
    """For a scan: it is heard of, and can be cancelled, after every thousand points."""

    def told(points: int) -> None:
        claim.take([])
        claim.advance(done=points, total=points)

    return told


def _suspects(job: Job, generation: Generation) -> list[int]:
    """What a worker that died had in hand: a try is counted against each, and they are taken one by one."""
    if job.in_flight:
        note_deaths(generation, job.in_flight)
    return job.in_flight
