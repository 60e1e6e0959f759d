"""The stored record of each answer. A failed write is logged and never fails the answer."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.db import Error

from rag.answering import cache
from rag.answering.answers import Answer, Draft
from rag.answering.database import DATABASE_BREAKER
from rag.answering.receipt_queue import ReceiptQueue
from rag.answering.trace import Trace
from rag.models import Receipt

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.5
_queue: ReceiptQueue | None = None


def write_behind() -> None:
    """From now on by a thread of this process, so that no asker waits for it. Undone by `finish`."""
    global _queue
    _queue = ReceiptQueue(beside=cache.share)
    _queue.begin()
    cache.share_later(True)


def finish() -> None:
    """At an orderly end of the process: what is not written yet is written now."""
    global _queue
    queue, _queue = _queue, None
    cache.share_later(False)
    if queue is not None:
        queue.end()


def settle(conversation: UUID) -> None:
    """Before a conversation is read again: what was answered in it a moment ago is on record."""
    if _queue is not None:
        _queue.written(conversation, seconds=SETTLE_SECONDS)


def may_be_on_its_way() -> bool:
    """Whether an answer can be known to its asker before its receipt is, here or in another process."""
    return _queue is not None


def write(question: str, answer: Answer, draft: Draft, trace: Trace) -> None:
    receipt = made(question, answer, draft, trace)
    if _queue is not None:
        _queue.put(receipt)
        return
    if DATABASE_BREAKER.is_open:
        return
    try:
        receipt.save(force_insert=True)
    except Error as error:
        logger.warning("receipt not written: %s", type(error).__name__, extra={"answer": str(answer.id)})


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
