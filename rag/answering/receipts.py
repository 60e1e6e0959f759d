"""The stored record of each answer. A failed write is logged and never fails the answer."""

from __future__ import annotations

import logging
from typing import Any

from rag.answering.answers import Answer, Draft
from rag.answering.database import asking
from rag.answering.trace import Trace
from rag.errors import ServiceUnavailable
from rag.models import Receipt
from rag.resilience import Deadline

logger = logging.getLogger(__name__)


def write(question: str, answer: Answer, draft: Draft, trace: Trace, deadline: Deadline) -> None:
    receipt = made(question, answer, draft, trace)
    try:
        with asking(deadline):
            receipt.save(force_insert=True)
    except ServiceUnavailable as error:
        logger.warning("receipt not written: %s", error.reason, extra={"answer": str(answer.id)})


def made(question: str, answer: Answer, draft: Draft, trace: Trace) -> Receipt:
    """The receipt of this answer, not stored."""
    sources: list[dict[str, Any]] = [
        {
            "id": one.id,
            "external_id": one.external_id,
            "score": one.score,
            "text_hash": draft.revisions.get(one.external_id, ""),
        }
        for one in answer.sources
    ]
    return Receipt(
        id=answer.id,
        request_id=answer.request_id,
        conversation=answer.conversation,
        question=question,
        answer=answer.answer,
        answered_by=answer.answered_by,
        entry_id=answer.sources[0].id if answer.sources and answer.answered_by != "suggestions" else None,
        confidence=answer.confidence,
        cached=answer.cached,
        miss=draft.miss and not answer.degraded,
        degraded=answer.degraded,
        fallbacks=trace.fallbacks,
        rungs=trace.rungs,
        sources=sources,
        looks=[look.in_short() for look in trace.looks],
        versions=draft.versions,
        milliseconds=trace.milliseconds,
    )
