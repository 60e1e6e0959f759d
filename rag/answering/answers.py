"""What an asker gets, and what passes on the way to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from rag.answering.retrieval import Candidate


@dataclass(frozen=True, slots=True)
class Source:
    """An entry that the answer stands on, or that is offered instead."""

    id: int
    external_id: str
    question: str
    score: float


@dataclass(frozen=True, slots=True)
class Meta:
    """Sent first: the names under which the answer will be kept."""

    id: UUID
    conversation: UUID
    request_id: str


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A rung's answer, before it has a receipt."""

    rung: str
    text: str
    confidence: float
    sources: list[Source] = field(default_factory=list)
    did_you_mean: list[Source] = field(default_factory=list)
    revisions: dict[str, str] = field(default_factory=dict)  # external id to the text hash it was answered from
    versions: dict[str, Any] = field(default_factory=dict)
    miss: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. Its text replaces any deltas that came before it."""

    id: UUID
    answer: str
    answered_by: str
    degraded: list[str]
    cached: bool
    confidence: float
    sources: list[Source]
    conversation: UUID
    request_id: str
    did_you_mean: list[Source]


def source(candidate: Candidate) -> Source:
    entry = candidate.entry
    return Source(entry.pk, entry.external_id, entry.question, round(candidate.score, 4))
