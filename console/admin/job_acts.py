"""What can be done about jobs: start a reindex, cancel, resume, try again what failed."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from console.admin.acts import Act, Refused, act, started
from console.admin.progress import progress_of, scope_of
from console.models import AuditEvent
from console.spans import spoken
from rag.index import generations, jobs
from rag.index.coverage import coverage
from rag.index.indexing import retry_failed as give_tries_again
from rag.models import IndexFailure, Job
from rag.quality import promotion

Verb = AuditEvent.Verb
LIST = "admin:rag_job_changelist"
INDEX = "admin:rag_generation_changelist"
STILL_ANSWERED = "Nothing changes for them: they are answered from the index as it is, and by text search."
CANCEL_IT = "Cancel the job. What it has done stays done, and can be gone on with."


@act("rag.change_job", LIST)
def cancel(request: HttpRequest, job_id: int) -> Act:
    job = get_object_or_404(Job, pk=job_id)
    progress = progress_of(job)

    def do() -> str:
        if not progress_of(Job.objects.get(pk=job.pk)).active:
            raise Refused(f"Job #{job.pk} has ended already.")
        jobs.cancel(job)
        return f"Job #{job.pk} was asked to stop: it ends after the batch in hand, and what is done stays done."

    facts = [
        ("Job", f"#{job.pk}, {job.get_kind_display().lower()}, {scope_of(job)}"),
        ("So far", progress.sentence),
        ("Askers", STILL_ANSWERED),
        ("Way back", "Resume it: only what is still behind is done."),
    ]
    why_not = [] if progress.active else [f"It has ended already: {progress.word.lower()}."]
    return Act(
        f"Cancel job #{job.pk}?",
        "Cancel the job",
        facts,
        do,
        danger=True,
        why_not=why_not,
        verb=Verb.JOB_CANCELLED,
        on=job,
    )


@act("rag.change_job", LIST)
def resume(request: HttpRequest, job_id: int) -> Act:
    job = get_object_or_404(Job, pk=job_id)
    progress = progress_of(job)
    left = max(0, job.total - job.done)
    facts = [
        ("Job", f"#{job.pk}, {job.get_kind_display().lower()}, {scope_of(job)}"),
        ("Left", f"{left:,} of {job.total:,}" if job.total else "what is still behind"),
        ("Askers", STILL_ANSWERED),
        ("Way back", CANCEL_IT),
    ]
    why_not = ["It is still under way."] if progress.active else []
    return Act(
        f"Resume job #{job.pk}?", "Resume", facts, lambda: started(jobs.resume(job, user=request.user)), why_not=why_not
    )


@act("rag.change_job", INDEX)
def retry_failed(request: HttpRequest) -> Act:
    count = IndexFailure.objects.filter(generation__in=generations.followed()).count()

    def do() -> str:
        for generation in generations.followed():
            give_tries_again(generation)
        return started(jobs.request(user=request.user))

    facts = [
        ("Entries", f"{count:,} that failed, parked ones too"),
        ("Askers", STILL_ANSWERED),
        ("Way back", "None is needed: what fails again is parked again."),
    ]
    why_not = [] if count else ["No entry has failed: there is nothing to try again."]
    return Act("Try again what failed?", "Retry failed", facts, do, why_not=why_not)


@act("rag.add_job", INDEX)
def reindex(request: HttpRequest) -> Act:
    now = coverage()
    behind = now.missing + now.outdated - now.parked
    facts = [
        ("Entries", f"{behind:,} missing or outdated, {now.unpublished:,} to take out"),
        ("Takes", _time_for(behind)),
        ("Askers", STILL_ANSWERED),
        ("Way back", CANCEL_IT),
    ]
    return Act("Reindex what has changed?", "Reindex", facts, lambda: started(jobs.request(user=request.user)))


@act("rag.add_job", INDEX)
def reindex_all(request: HttpRequest) -> Act:
    cost = promotion.estimate()

    def do() -> str:
        return started(jobs.request(scope={"all": True}, user=request.user))

    facts = [
        ("Entries", f"all {cost.entries:,} published ones, {cost.points:,} points"),
        ("Takes", _time_for(cost.entries)),
        ("Askers", "They are answered from the points as they are. Coverage falls to 0 % and rises again."),
        ("Way back", CANCEL_IT),
    ]
    why_not = [] if cost.entries else ["No entry is published: there is nothing to index."]
    return Act("Index every entry anew?", "Reindex all", facts, do, why_not=why_not)


def _time_for(entries: int) -> str:
    """As the latest reindex went; a guess before there was one."""
    cost = promotion.estimate()
    return f"about {spoken(cost.seconds * entries / cost.entries)}" if cost.entries and entries else "a moment"
