"""Asks stored misses again after content has changed, and closes the groups that are answered now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils import timezone

from rag.answering import pipeline
from rag.errors import ServiceUnavailable
from rag.index import generations
from rag.index.vector_store import get_vector_store
from rag.models import Embedding, Job, MissGroup
from rag.quality import misses

CLOSES_AT = 0.8  # share of a group's asks that must be answered
WORDINGS = 50  # of a group that are asked again: the most asked ones
GROUPS = 200  # that one job looks at: the hottest ones
CONCERNED = 0.5  # cosine of a group's middle and a changed entry
NEAREST = 10


@dataclass(frozen=True, slots=True)
class Replayed:
    """So many of a group's asks find an answer now, of so many."""

    answered: int
    asks: int

    @property
    def closes(self) -> bool:
        return self.asks > 0 and self.answered >= CLOSES_AT * self.asks


def due() -> bool:
    """Has the index taken something in that an open group was not held against, and is it at rest?"""
    since = MissGroup.objects.filter(state__in=misses.OPEN).aggregate(least=Min("looked_at"))["least"]
    if since is None or not _taken_in(since).exists():
        return False
    return not Job.objects.filter(kind=Job.Kind.REINDEX, state__in=[Job.State.QUEUED, Job.State.RUNNING]).exists()


def replay_concerned(progress: Callable[[int, int], None] = lambda done, total: None) -> list[MissGroup]:
    """Ask again the open groups that lie near what is new in the index; those that closed. Raises ServiceUnavailable.

    The groups that were not looked at for longest come first, GROUPS of them at once.
    """
    now = timezone.now()
    groups = list(MissGroup.objects.filter(state__in=misses.OPEN).order_by("looked_at")[:GROUPS])
    new = dict(_taken_in(groups[0].looked_at).values_list("entry_id", "embedded_at")) if groups else {}
    closed = []
    for number, group in enumerate(groups, start=1):
        if new and _concerns(group, new) and replay(group).closes:
            closed.append(group)
        MissGroup.objects.filter(pk=group.pk).update(looked_at=now)
        progress(number, len(groups))
    return closed


def replay(group: MissGroup) -> Replayed:
    """Ask its wordings as an asker would, without the language model; close it when most are answered.

    Raises ServiceUnavailable when a part of the search is out: then nothing is known, and nothing is written.
    """
    found = [(one, _is_answered(one.question)) for one in group.questions.order_by("-asks", "pk")[:WORDINGS]]
    for one, answered in found:
        one.answered = answered
        one.save(update_fields=["answered"])
    told = Replayed(sum(one.asks for one, answered in found if answered), sum(one.asks for one, _ in found))
    now = timezone.now()
    row = MissGroup.objects.filter(pk=group.pk)
    row.update(asks_replayed=told.asks, asks_answered=told.answered, replayed_at=now)
    if told.closes:
        row.filter(state__in=misses.OPEN).update(state=MissGroup.State.ANSWERED, closed_at=now, snoozed_until=None)
    return told


def _is_answered(question: str) -> bool:
    answer = pipeline.try_out(question, generate=False).answer
    if answer.degraded:
        stages = ", ".join(answer.degraded)
        raise ServiceUnavailable("replay", "missing", f"the questions cannot be asked again while {stages} is out")
    return answer.answered_by != "suggestions"


def _concerns(group: MissGroup, new: dict[int, datetime]) -> bool:
    """Is the entry written for it, or one that lies near, newer in the index than the last look?"""
    near = get_vector_store().search(settings.QDRANT_COLLECTION_NAME, misses.vector_of(group), NEAREST)
    ids = [match.entry_id for match in near if match.score >= CONCERNED]
    return any(pk in new and new[pk] > group.looked_at for pk in [group.entry_id, *ids])


def _taken_in(since: datetime) -> QuerySet[Embedding]:
    """By the live generation."""
    return Embedding.objects.filter(generation=generations.live(), embedded_at__gt=since)
