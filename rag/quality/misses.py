"""Missed questions, put into groups by the nearness of their vectors. No language model has a part in it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from faq import text_search
from rag.index.embedding import Vector, Vectors, get_embedder
from rag.models import MissedQuestion, MissGroup, Receipt

# Of 1,043 labelled questions' pairs at this cosine or above, a third asks for the same entry; most others ask for a
# sister of it. A group that is a little too wide is read in one glance, two that should be one are worked on twice.
NEAR = 0.65
BATCH = 64
AT_ONCE = 2_000  # receipts that one job takes; the sweep asks for the next
GROUPS_COMPARED = 20_000  # the most recently asked: 30 MB of vectors
HALF_LIFE = timedelta(days=14)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = [MissGroup.State.OPEN, MissGroup.State.SNOOZED]


def ungrouped() -> QuerySet[Receipt]:
    """Misses that no group holds yet. What was asked during an outage is no miss, and so never here."""
    return Receipt.objects.filter(miss=True, missed=None)


def key(question: str) -> str:
    """The same for wordings that differ only in case, white space and signs that ask nothing."""
    return hashlib.sha256(text_search.wording_key(question).encode()).hexdigest()


def group_new(progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Put up to AT_ONCE ungrouped misses into groups, oldest first; how many. Raises EmbedderUnavailable.

    Each batch is whole or not at all, so that it can break off anywhere and be begun again.
    """
    wake_snoozed()
    receipts = list(ungrouped().order_by("created_at").only("question", "created_at")[:AT_ONCE])
    if not receipts:
        return 0
    groups = _Groups.read()
    for at in range(0, len(receipts), BATCH):
        _group(receipts[at : at + BATCH], groups)
        progress(min(at + BATCH, len(receipts)), len(receipts))
    return len(receipts)


def wake_snoozed() -> None:
    over = MissGroup.objects.filter(state=MissGroup.State.SNOOZED, snoozed_until__lte=timezone.now())
    over.update(state=MissGroup.State.OPEN, snoozed_until=None)


def forget_before(cutoff: datetime) -> int:
    """Questions that nobody asked since, as their receipts are deleted; and the groups that then hold none."""
    forgotten, _ = MissedQuestion.objects.filter(last_asked__lt=cutoff).delete()
    MissGroup.objects.filter(questions=None).delete()
    return forgotten


def vector_of(held: MissGroup | MissedQuestion) -> Vector:
    return np.frombuffer(bytes(held.vector), dtype="<f4")


def _group(receipts: Sequence[Receipt], groups: _Groups) -> None:
    asked: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        asked[key(receipt.question)].append(receipt)
    known = {one.key: one for one in MissedQuestion.objects.filter(key__in=asked)}
    new = [name for name in asked if name not in known]
    vectors = dict(zip(new, _embedded([asked[name][0].question for name in new]), strict=True))
    with transaction.atomic():
        for name, times in asked.items():
            question = known.get(name) or groups.place(name, times[0], vectors[name])
            _count(question, times)


def _embedded(texts: Sequence[str]) -> Iterable[Vector]:
    """Of questions that are new only: what was embedded once is kept."""
    return get_embedder().embed(texts) if texts else ()


def _count(question: MissedQuestion, times: Sequence[Receipt]) -> None:
    Receipt.objects.filter(pk__in=[receipt.pk for receipt in times]).update(missed=question)
    latest = max(receipt.created_at for receipt in times)
    question.asks += len(times)
    question.last_asked = max(question.last_asked, latest)
    question.save(update_fields=["asks", "last_asked"])
    group = MissGroup.objects.select_for_update().get(pk=question.group_id)
    group.first_asked = min(group.first_asked, *(receipt.created_at for receipt in times))
    group.last_asked = max(group.last_asked, latest)
    group.asks += len(times)
    group.heat = _heated(group.heat if group.asks > len(times) else None, times)
    _name(group)
    if group.state == MissGroup.State.ANSWERED and group.closed_at and latest > group.closed_at:
        group.state, group.closed_at = MissGroup.State.OPEN, None  # it is asked for again, in vain
    group.save(update_fields=["asks", "heat", "first_asked", "last_asked", "question", "state", "closed_at"])


def _name(group: MissGroup) -> None:
    most = group.questions.order_by("-asks", "pk").values_list("question", flat=True).first()
    group.question = most or group.question


def _heated(heat: float | None, times: Sequence[Receipt]) -> float:
    """log2 of the sum over all asks of 2^(age of the ask in half-lives): in this order whatever the time is now."""
    for receipt in times:
        one = (receipt.created_at - EPOCH) / HALF_LIFE
        heat = one if heat is None else float(np.logaddexp2(heat, one))
    assert heat is not None
    return heat


@dataclass
class _Groups:
    """The groups' middles, held for the length of one job: only one such job runs at a time."""

    ids: list[int]
    wordings: list[int]
    vectors: Vectors

    @classmethod
    def read(cls) -> _Groups:
        model = settings.RAG_LOCAL_EMBEDDING_MODEL
        _embed_anew(MissGroup.objects.exclude(model=model), model)
        rows = MissGroup.objects.order_by("-last_asked").values_list("pk", "wordings", "vector")[:GROUPS_COMPARED]
        ids, wordings, vectors = zip(*rows, strict=True) if rows else ((), (), ())
        dimension = settings.RAG_VECTOR_DIMENSION
        held = np.frombuffer(b"".join(map(bytes, vectors)), dtype="<f4").reshape(-1, dimension).copy()
        return cls(list(ids), list(wordings), held)

    def place(self, name: str, receipt: Receipt, vector: Vector) -> MissedQuestion:
        """Into the nearest group if it is near enough, else into one of its own."""
        likeness = self.vectors @ vector
        nearest = int(likeness.argmax()) if len(likeness) else -1
        if nearest < 0 or likeness[nearest] < NEAR:
            nearest = self._begin(receipt, vector)
        else:
            self._move(nearest, vector)
        return MissedQuestion.objects.create(
            group_id=self.ids[nearest],
            key=name,
            question=receipt.question,
            vector=_bytes(vector),
            last_asked=receipt.created_at,
        )

    def _begin(self, receipt: Receipt, vector: Vector) -> int:
        group = MissGroup.objects.create(
            question=receipt.question,
            vector=_bytes(vector),
            model=settings.RAG_LOCAL_EMBEDDING_MODEL,
            wordings=1,
            first_asked=receipt.created_at,
            last_asked=receipt.created_at,
            looked_at=receipt.created_at,
        )
        self.ids.append(group.pk)
        self.wordings.append(1)
        self.vectors = np.vstack([self.vectors, vector[None]])
        return len(self.ids) - 1

    def _move(self, place: int, vector: Vector) -> None:
        """The middle moves towards the new wording, by one part of as many as there are."""
        self.vectors[place] = _unit(self.vectors[place] * self.wordings[place] + vector)
        self.wordings[place] += 1
        MissGroup.objects.filter(pk=self.ids[place]).update(
            wordings=F("wordings") + 1, vector=_bytes(self.vectors[place])
        )


def _embed_anew(groups: QuerySet[MissGroup], model: str) -> None:
    """After a change of the model: vectors of two models cannot be compared."""
    for group in groups.prefetch_related("questions"):
        questions = list(group.questions.all())
        vectors = list(_embedded([one.question for one in questions] or [group.question]))
        with transaction.atomic():
            for one, vector in zip(questions, vectors, strict=False):
                MissedQuestion.objects.filter(pk=one.pk).update(vector=_bytes(vector))
            middle = _unit(np.sum(vectors, axis=0))
            MissGroup.objects.filter(pk=group.pk).update(vector=_bytes(middle), model=model)


def _unit(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    return cast(Vector, (vector / length if length else vector).astype("<f4"))


def _bytes(vector: Vector) -> bytes:
    return np.asarray(vector, dtype="<f4").tobytes()
