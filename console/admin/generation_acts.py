"""What can be done with the generations: build, promote, roll back, reclaim; and with their drift: scan, repair."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.formats import date_format

from console.admin import drift_board
from console.admin.acts import Act, Refused, act, started
from console.models import AuditEvent
from console.spans import spoken
from rag.errors import ServiceUnavailable
from rag.index import generations, jobs
from rag.index.coverage import coverage
from rag.models import DriftFinding, Generation, Job
from rag.quality import promotion

Verb = AuditEvent.Verb
INDEX = "admin:rag_generation_changelist"
State = Generation.State


@act("rag.add_generation", INDEX)
def build(request: HttpRequest) -> Act:
    cost = promotion.estimate()

    def do() -> str:
        return started(jobs.request(Job.Kind.BUILD, user=request.user))

    facts = [
        ("Object", "a generation beside the live one; one that was begun and broke off is gone on with"),
        ("Entries", f"{cost.entries:,}, as {cost.points:,} points"),
        ("Takes", f"about {spoken(cost.seconds)} and {cost.bytes / 1e6:,.1f} MB of the vector store"),
        ("Askers", "They notice nothing: reads stay where they are until it is promoted."),
        ("Way back", "Cancel the job; reclaim what was built."),
    ]
    why_not = [] if cost.entries else ["No entry is published: there is nothing to build from."]
    return Act("Build a new generation?", "Build", facts, do, why_not=why_not)


@act("rag.change_generation", INDEX)
def promote(request: HttpRequest, generation_id: int) -> Act:
    generation = get_object_or_404(Generation, pk=generation_id)
    now, live = coverage(generation), generations.live()

    def do() -> str:
        return started(jobs.request(Job.Kind.PROMOTE, {"generation": generation.pk}, user=request.user))

    facts = [
        ("Generation", generation.collection),
        ("Holds", f"{now.current:,} of {now.published:,} published entries"),
        (
            "First",
            "All its points are looked at. If anything speaks against it, nothing changes and each reason is listed.",
        ),
        ("Askers", "From one moment to the next they are answered from it. No search fails meanwhile."),
        (
            "Way back",
            f"Roll back: {live.collection if live else 'the former one'} is kept {settings.GENERATION_DAYS} days.",
        ),
    ]
    return Act(
        f"Promote {generation.collection}?",
        "Promote",
        facts,
        do,
        why_not=_against(generation, now.published - now.current),
        on=generation,
    )


def _against(generation: Generation, behind: int) -> list[str]:
    """What can be told without looking at every point."""
    if generation.state == State.LIVE:
        return ["It is live already."]
    reasons = []
    if generation.state == State.RETIRED:
        reasons.append("It is retired: roll back to the former one, or build a new one.")
    elif behind > 0:
        reasons.append(
            f"{behind:,} published entries are not in it yet. Let the build end, or look into the entries that failed."
        )
    if job := _job_on(generation):
        reasons.append(f"Job #{job.pk} is at work on it: let it end first.")
    return reasons


@act("rag.change_generation", INDEX)
def roll_back(request: HttpRequest) -> Act:
    former, live = generations.former(), generations.live()

    def do() -> str:
        return started(jobs.request(Job.Kind.ROLL_BACK, user=request.user))

    behind = coverage(former).published - coverage(former).current if former else 0
    facts = [
        ("From", live.collection if live else "none"),
        (
            "To",
            f"{former.collection}, retired {date_format(former.retired_at, 'Y-m-d H:i')}"
            if former and former.retired_at
            else "none",
        ),
        (
            "First",
            f"{behind:,} entries that changed since are brought up to date in it, and all its points are looked at.",
        ),
        ("Askers", "From one moment to the next they are answered from the former one. No search fails meanwhile."),
        ("Way back", "Roll back once more: the one that is live now becomes the former one."),
    ]
    why_not = [] if former else ["No former generation is kept: build a new one instead."]
    return Act(
        "Roll back to the former generation?",
        "Roll back",
        facts,
        do,
        danger=True,
        why_not=why_not,
        on=former or "",
    )


@act("rag.delete_generation", INDEX)
def reclaim(request: HttpRequest, generation_id: int) -> Act:
    generation = get_object_or_404(Generation, pk=generation_id)
    points = sum(generation.embeddings.values_list("points", flat=True))

    def do() -> str:
        try:
            generations.reclaim(generation)
        except (generations.NotPossible, ServiceUnavailable) as error:
            raise Refused(str(error)) from error
        return f"{generation.collection} is gone, and its place is free."

    former = generations.former()
    facts = [
        ("Generation", generation.collection),
        ("Frees", f"{points:,} points, about {points * generation.dimension * 4 * 1.5 / 1e6:,.1f} MB"),
        ("Askers", "They notice nothing: it is not the one that answers."),
        (
            "Way back",
            "There is none. The same can only be built anew."
            + (" It is the one to roll back to." if former == generation else ""),
        ),
    ]
    why_not = ["It is live: promote another one first."] if generation.state == State.LIVE else []
    if job := _job_on(generation):
        why_not.append(f"Job #{job.pk} is at work on it: cancel it first.")
    title = f"Reclaim {generation.collection}?"
    return Act(
        title,
        "Reclaim for good",
        facts,
        do,
        danger=True,
        typed=generation.collection,
        why_not=why_not,
        verb=Verb.RECLAIMED,
        on=generation,
    )


@act("rag.add_job", INDEX)
def scan(request: HttpRequest) -> Act:
    facts = [
        ("Object", "every point of the live generation and of those being built"),
        ("Takes", "seconds for thousands of points; nothing is changed"),
        ("Askers", "They notice nothing."),
        ("Way back", "None is needed."),
    ]
    return Act("Scan for drift now?", "Scan", facts, lambda: started(jobs.request(Job.Kind.SCAN, user=request.user)))


@act("rag.add_job", INDEX)
def repair(request: HttpRequest) -> Act:
    """Of one kind, or of all: what the latest scan found is looked up anew, and exactly that is put right."""
    kind = request.GET.get("kind", "")
    kinds = [kind] if kind in drift_board.KINDS else list(drift_board.KINDS)
    live = generations.live()
    count = DriftFinding.objects.filter(scan__generation=live, kind__in=kinds).count()
    scope = {"repair": True, **({"kinds": kinds} if len(kinds) == 1 else {})}

    def do() -> str:
        return started(jobs.request(Job.Kind.SCAN, scope, user=request.user))

    what = drift_board.KINDS[kind].title.lower() if len(kinds) == 1 else "of every kind"
    facts = [
        ("Found", f"{count:,} {what}, by the latest scan"),
        (
            "Does",
            "Scans anew, removes what must not be there, indexes anew what is missing or old, and scans once more.",
        ),
        ("Askers", "They are answered meanwhile from the index as it is."),
        ("Way back", "None is needed: the content is the truth, and the index is made to agree with it."),
    ]
    why_not = [] if count else ["The latest scan found nothing to repair. Scan first if you have reason to doubt it."]
    return Act("Repair these?", "Repair", facts, do, why_not=why_not)


def _job_on(generation: Generation) -> Job | None:
    busy = Job.objects.filter(kind__in=[Job.Kind.BUILD, Job.Kind.PROMOTE], state__in=jobs.ACTIVE)
    return busy.filter(scope__generation=generation.pk).first()
