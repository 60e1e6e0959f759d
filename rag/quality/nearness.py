"""The published entries that lie nearest to a vector, each once."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from faq.models import Entry
from rag.index.embedding import Vector
from rag.index.vector_store import get_vector_store

POINTS = 40  # an entry has two and one more for each variant


@dataclass(frozen=True, slots=True)
class Near:
    entry: Entry
    cosine: float | None  # None when it was found by words


def near_entries(vector: Vector, limit: int = 5) -> list[Near]:
    """Nearest first. Raises VectorStoreUnavailable."""
    best: dict[int, float] = {}
    for match in get_vector_store().search(settings.QDRANT_COLLECTION_NAME, vector, POINTS):
        best[match.entry_id] = max(match.score, best.get(match.entry_id, -1.0))
    chosen = sorted(best, key=lambda pk: -best[pk])
    entries = Entry.objects.published().select_related("category").in_bulk(chosen)
    return [Near(entries[pk], best[pk]) for pk in chosen if pk in entries][:limit]
