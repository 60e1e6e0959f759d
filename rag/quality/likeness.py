"""Entries that ask nearly the same as one that is being written: by meaning, or by words where meaning is out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings

from faq import text_search, wording
from faq.models import Entry
from rag.answering.retrieval import word_score
from rag.errors import EmbedderUnavailable, ServiceUnavailable
from rag.index.embedding import get_embedder
from rag.index.vector_store import get_vector_store

logger = logging.getLogger(__name__)

ASKED_FOR = 30  # nearest points of each wording: an entry has several
WORDINGS = 8  # of one entry, that are compared: a person waits for it
CLOSE = 0.6  # cosine from which two questions are about the same thing
NEARLY_THE_SAME = 0.85  # and from which one of them is enough
CLOSE_BY_WORDS = 0.55
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Alike:
    entry: Entry
    share: float  # 0 to 1

    @property
    def nearly_the_same(self) -> bool:
        return self.share >= NEARLY_THE_SAME


@dataclass(frozen=True, slots=True)
class Likeness:
    entries: list[Alike] = field(default_factory=list)
    missing: str = ""  # what could not be asked, so that only words were compared


def alike(wordings: Sequence[str], *, but: int | None = None) -> Likeness:
    """Published entries near to any of these wordings, the nearest first. Raises django.db.Error."""
    asked = [text for text in wordings if text.strip()][:WORDINGS]
    if not asked:
        return Likeness()
    try:
        return Likeness(_entries(_by_meaning(asked), CLOSE, but))
    except EmbedderUnavailable as error:
        missing = "the embedding model"
        logger.info("likeness by words alone: %s", error)
    except ServiceUnavailable as error:
        missing = "the vector store"
        logger.info("likeness by words alone: %s", error)
    return Likeness(_entries(_by_words(asked), CLOSE_BY_WORDS, but), missing)


def _by_meaning(asked: Sequence[str]) -> dict[int, float]:
    best: dict[int, float] = {}
    store = get_vector_store()
    for vector in get_embedder().embed(asked):
        for match in store.search(settings.QDRANT_COLLECTION_NAME, vector, ASKED_FOR):
            best[match.entry_id] = max(match.score, best.get(match.entry_id, 0.0))
    return best


def _by_words(asked: Sequence[str]) -> dict[int, float]:
    held = wording.sample()
    best: dict[int, float] = {}
    for text in asked:
        for entry in Entry.objects.published().filter(pk__in=text_search.candidates(text)):
            best[entry.pk] = max(word_score(text, entry, held), best.get(entry.pk, 0.0))
    return best


def _entries(best: dict[int, float], floor: float, but: int | None) -> list[Alike]:
    near = sorted((pk for pk, share in best.items() if share >= floor and pk != but), key=lambda pk: -best[pk])[:SHOWN]
    found = Entry.objects.published().select_related("category").in_bulk(near)
    return [Alike(found[pk], min(best[pk], 1.0)) for pk in near if pk in found]
