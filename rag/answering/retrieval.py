"""From a question to ranked entries: by meaning, or by words alone where meaning is not to be had."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.conf import settings

from faq import at_hand, text_search, wording
from faq.models import Entry
from rag.answering import confidence
from rag.answering.tuning import Tuning
from rag.errors import EmbedderUnavailable
from rag.index.coverage import known_complete, without_current_points
from rag.index.embedding import Vector, get_embedder
from rag.index.vector_store import Match, get_vector_store

POINTS = 60  # nearest points asked for: an entry has two and one more for each variant
WEIGHED = 20  # entries of these whose words are compared: beyond, the words no longer lift one to the top
RANKED = 10  # entries kept


@dataclass(frozen=True, slots=True)
class Candidate:
    """A published entry that may answer, as it reads now."""

    entry: Entry
    score: float
    vector: float | None = None
    kind: str = "words"


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates, best first, with the probability that the first one is right."""

    candidates: list[Candidate]
    confidence: float
    tuning: Tuning = field(default_factory=Tuning.of_settings)

    @property
    def usable(self) -> list[Candidate]:
        """What an answer may be made of: nothing below the floor on the cosine."""
        floor = self.tuning.threshold
        return [one for one in self.candidates if one.vector is None or one.vector >= floor]


def embedded(question: str) -> Vector:
    """The question's vector. Raises EmbedderUnavailable."""
    vector: Vector = get_embedder().embed([question])[0]
    if not np.isfinite(vector).all():
        raise EmbedderUnavailable("bad_response", "the model gave a vector that is not made of numbers")
    return vector


def nearest(
    vector: Vector, collection: str | None = None, *, version: int | None = None, seconds: float = math.inf
) -> list[Match]:
    """In the live generation, unless a collection is named. Raises VectorStoreUnavailable, after `seconds` at last."""
    alias = collection or settings.QDRANT_COLLECTION_NAME
    return get_vector_store().search(alias, vector, POINTS, as_of=version, seconds=seconds)


def rank_by_meaning(
    question: str,
    matches: Sequence[Match],
    held: wording.Sample,
    tuning: Tuning | None = None,
    *,
    version: int | None = None,
) -> Found:
    """Each entry by its best point, blended with its word overlap; entries that are no longer published fall out.

    With the version that the content stood at, what this process read at it need not be read again.
    """
    best: dict[int, Match] = {}
    for match in sorted(matches, key=lambda match: -match.score):
        if len(best) < WEIGHED:
            best.setdefault(match.entry_id, match)
    tuning = tuning or Tuning.of_settings()
    asked = held.weighed(question)
    ranked = []
    for entry in at_hand.published(best, version):
        match = best[entry.pk]
        score = confidence.blended(max(match.score, 0.0), asked.overlap(_text(entry)), tuning.text_weight)
        ranked.append(Candidate(entry, score, match.score, match.kind))
    return _found(ranked, confidence.calibrated, tuning)


def rank_by_words(
    question: str,
    held: wording.Sample,
    tuning: Tuning | None = None,
    *,
    not_indexed_yet: bool = False,
    version: int | None = None,
) -> Found:
    """Raises django.db.Error when the database cannot be asked."""
    if not_indexed_yet and known_complete(version):
        return Found([], 0.0, tuning or Tuning.of_settings())
    ids = text_search.candidates(question)
    if not_indexed_yet:
        ids = without_current_points(ids)
    entries = at_hand.published(dict.fromkeys(ids), version)
    ranked = [Candidate(entry, word_score(question, entry, held)) for entry in entries]
    return _found(ranked, confidence.calibrated_by_words, tuning or Tuning.of_settings())


def word_score(question: str, entry: Entry, held: wording.Sample) -> float:
    """Words in common with all of the entry, words in common with what it asks, and likeness of spelling.

    The weights reach hit@1 .65 on the 1,043 labelled questions, where the first part alone reaches .46.
    """
    wordings, asked = entry.all_wordings, held.weighed(question)
    asks = max(map(asked.overlap, wordings))
    spelling = max(wording.similarity(question, one) for one in wordings)
    return 0.4 * asked.overlap(_text(entry)) + 0.3 * asks + 0.3 * spelling


def _found(ranked: Iterable[Candidate], calibrate: confidence.Calibration, tuning: Tuning) -> Found:
    candidates = _without_doubles(sorted(ranked, key=lambda one: (-one.score, one.entry.pk)))[:RANKED]
    if not candidates:
        return Found([], 0.0, tuning)
    second = candidates[1].score if len(candidates) > 1 else 0.0
    return Found(candidates, calibrate(candidates[0].score, candidates[0].score - second), tuning)


def _without_doubles(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The same question or the same answer under two entries is one choice, not two that compete."""
    kept: list[Candidate] = []
    seen: set[str] = set()
    for one in candidates:
        keys = {text_search.wording_key(one.entry.question), one.entry.answer}
        if not keys & seen:
            kept.append(one)
        seen |= keys
    return kept


def _text(entry: Entry) -> str:
    return "\n".join([*entry.all_wordings, entry.answer])
