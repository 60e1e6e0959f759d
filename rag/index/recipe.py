"""The recipe of a generation, and the points that it makes of an entry."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from django.conf import settings

from faq.models import Entry

# Names the point ids: the same text of the same entry is always the same point, however often it is written.
_NAMESPACE = uuid.UUID("6f0c9c0e-7d0b-5d8e-9d59-6d1f5f0f2a11")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a vector. Two generations with the same recipe hold the same vectors for the same texts."""

    model: str
    dimension: int
    template: str = "question | answer | each variant"
    distance: str = "Cosine"

    @property
    def fingerprint(self) -> str:
        text = "\n".join([self.model, str(self.dimension), self.template, self.distance])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class PointText:
    """One text of an entry, to be one point."""

    point_id: uuid.UUID
    kind: str  # question | answer | variant
    text: str


def current_recipe() -> Recipe:
    return Recipe(model=settings.RAG_LOCAL_EMBEDDING_MODEL, dimension=settings.RAG_VECTOR_DIMENSION)


def point_texts(entry: Entry) -> list[PointText]:
    """The question, the answer and every variant: an entry scores as its best point does."""
    named = [("question", entry.question), ("answer", entry.answer)]
    named += [("variant", variant) for variant in entry.variants]
    ids = point_ids(entry.pk, len(named))
    return [PointText(point_id, kind, text) for point_id, (kind, text) in zip(ids, named, strict=True)]


def point_ids(entry_id: int, texts: int) -> list[uuid.UUID]:
    return [uuid.uuid5(_NAMESPACE, f"{entry_id}/{number}") for number in range(texts)]
