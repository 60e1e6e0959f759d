"""The gate before a generation goes live, the way back, and what a new one will cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Sum

from faq import versions, wording
from faq.models import Entry
from rag.answering import retrieval
from rag.errors import ServiceUnavailable
from rag.index import drift, generations
from rag.index.coverage import coverage
from rag.index.indexing import Progress, reconcile
from rag.index.recipe import current_recipe
from rag.models import Embedding, Generation, Job
from rag.quality.suite import Case, Reply, measure, stored

COMPARED = ("hit@1", "mrr@10")
BYTES_A_NUMBER = 4
OVERHEAD = 1.5  # payload, links and segments beside the bare vectors
TEXTS_A_SECOND = 30.0  # long answers on one thread, until this machine has shown its own rate


class PromotionRefused(Exception):
    """Why not, each reason a sentence."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = list(reasons)


@dataclass(frozen=True)
class Estimate:
    entries: int
    points: int
    seconds: float
    bytes: int


def objections(
    generation: Generation, suite: Sequence[Case] | None = None, progress: Callable[[int], None] = lambda points: None
) -> list[str]:
    """Everything that speaks against reading from this generation; empty when nothing does.

    Without a `suite` it is the stored one that may not do worse.
    """
    now = coverage(generation)
    found = []
    if now.current < now.published:
        behind = now.published - now.current
        parked = f", {now.parked} of them parked after failing" if now.parked else ""
        found.append(f"Coverage is {now.ratio:.1%}: {behind} published entries are not in it{parked}.")
    try:
        drifted = drift.scan(generation, progress)
        if not drifted.clean:
            found.append(f"The drift scan is not clean: {drifted.sentence}")
        cases = stored() if suite is None else suite
        found += _worse(generation, cases) if cases else []
    except ServiceUnavailable as error:
        found.append(f"It could not be looked at: {error}")
    return found


def promote(
    generation: Generation, suite: Sequence[Case] | None = None, progress: Callable[[int], None] = lambda points: None
) -> None:
    """Raises PromotionRefused with each reason, and ServiceUnavailable."""
    if reasons := objections(generation, suite, progress):
        raise PromotionRefused(reasons)
    generations.promote(generation)


def roll_back(progress: Progress | None = None) -> Generation:
    """Read from the former generation again, brought up to date first. Raises PromotionRefused, ServiceUnavailable."""
    former = generations.former()
    if former is None:
        raise PromotionRefused(["No former generation is kept: build a new one."])
    reconcile(former, progress)
    promote(former, suite=())  # a way back must not be barred by what was learnt since
    return former


def estimate() -> Estimate:
    """What building a generation anew will take, at the rate of the latest reindex of some size."""
    live = generations.live()
    entries = Entry.objects.published().count()
    known = Embedding.objects.filter(generation=live).aggregate(points=Sum("points"))["points"] or 0
    points = max(known, 2 * entries)
    dimension = current_recipe().dimension
    return Estimate(
        entries=entries,
        points=points,
        seconds=entries / _entries_a_second(points / entries if entries else 2.0),
        bytes=round(points * dimension * BYTES_A_NUMBER * OVERHEAD),
    )


def _entries_a_second(points_an_entry: float) -> float:
    done = Job.objects.filter(kind__in=[Job.Kind.REINDEX, Job.Kind.BUILD], state=Job.State.SUCCEEDED, done__gte=50)
    latest = done.order_by("-finished_at").first()
    return (latest.rate if latest else None) or TEXTS_A_SECOND / points_an_entry


def _worse(generation: Generation, suite: Sequence[Case]) -> list[str]:
    live = generations.live()
    if live is None or live.pk == generation.pk:
        return []
    here, there = (_figures(one, suite) for one in (generation, live))
    return [
        f"The suite's {name} would fall from {there[name]:.4f} to {here[name]:.4f}."
        for name in COMPARED
        if here.get(name, 0.0) < there.get(name, 0.0)
    ]


def _figures(generation: Generation, suite: Sequence[Case]) -> dict[str, float]:
    held = wording.sample(versions.current())

    def ask(question: str) -> Reply:
        matches = retrieval.nearest(retrieval.embedded(question), generation.collection)
        found = retrieval.rank_by_meaning(question, matches, held)
        return Reply(tuple(one.entry.external_id for one in found.candidates), answered=True)

    return measure(suite, ask)
