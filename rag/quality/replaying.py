"""Asks stored misses again after content has changed, and closes the groups that are answered now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils import timezone

from faq.models import Entry
from rag.answering import pipeline
from rag.errors import ServiceUnavailable
from rag.index import generations
from rag.index.embedding import get_embedder
from rag.index.recipe import point_texts
from rag.index.vector_store import get_vector_store
from rag.models import Embedding, Job, MissGroup
from rag.quality import misses

CLOSES_AT = 0.8  # share of a group's asks that must be answered
WORDINGS = 50  # of a group that are asked again: the most asked ones
EMBEDDED = 300  # new entries that are held against the groups by themselves; for more the index is searched
SEARCHED = 200  # groups that one job then looks up
REPLAYED = 50  # groups that one job asks again
CHUNK = 1_000
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

    What one job cannot manage stays due, and the sweep asks for the next.
    """
    now, open_groups = timezone.now(), MissGroup.objects.filter(state__in=misses.OPEN).order_by("looked_at")
    groups = list(open_groups[: misses.GROUPS_COMPARED])
    new = dict(_taken_in(groups[0].looked_at).values_list("entry_id", "embedded_at")) if groups else {}
    if len(new) > EMBEDDED:
        groups = groups[:SEARCHED]
    concerned = _concerned_by_search(groups, new) if len(new) > EMBEDDED else _concerned_by_vector(groups, new)
    closed = []
    for number, group in enumerate(concerned[:REPLAYED], start=1):
        if replay(group).closes:
            closed.append(group)
        progress(number, len(concerned[:REPLAYED]))
    left = {group.pk for group in concerned[REPLAYED:]}
    looked = [group.pk for group in groups if group.pk not in left]
    for at in range(0, len(looked), CHUNK):
        MissGroup.objects.filter(pk__in=looked[at : at + CHUNK]).update(looked_at=now)
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


def _concerned_by_vector(groups: Sequence[MissGroup], new: Mapping[int, datetime]) -> list[MissGroup]:
    """A few new entries are embedded once and held against all groups together."""
    entries = list(Entry.objects.published().filter(pk__in=new))
    texts = [(entry.pk, one.text) for entry in entries for one in point_texts(entry)]
    if not groups or not texts:
        return []
    likeness = np.stack([misses.vector_of(group) for group in groups]) @ get_embedder().embed([t for _, t in texts]).T
    near = [{texts[i][0] for i in np.flatnonzero(row >= CONCERNED)} for row in likeness]
    return [group for group, ids in zip(groups, near, strict=True) if _is_newer(group, ids, new)]


def _concerned_by_search(groups: Sequence[MissGroup], new: Mapping[int, datetime]) -> list[MissGroup]:
    """After an import or with a new generation: each group is looked up in the index."""
    found = []
    for group in groups:
        near = get_vector_store().search(settings.QDRANT_COLLECTION_NAME, misses.vector_of(group), NEAREST)
        if _is_newer(group, {match.entry_id for match in near if match.score >= CONCERNED}, new):
            found.append(group)
    return found


def _is_newer(group: MissGroup, near: Set[int], new: Mapping[int, datetime]) -> bool:
    """Is the entry written for it, or one that lies near, in the index only since the last look?"""
    ids = {*near, group.entry_id} if group.entry_id else near
    return any(pk in new and new[pk] > group.looked_at for pk in ids)


def _taken_in(since: datetime) -> QuerySet[Embedding]:
    """By the live generation."""
    return Embedding.objects.filter(generation=generations.live(), embedded_at__gt=since)
