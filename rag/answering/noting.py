"""What is counted and logged of one answer that was given. Its receipt is elsewhere."""

from __future__ import annotations

import logging

from rag import metrics, tracing
from rag.answering.answers import Answer, Draft
from rag.answering.trace import Trace

logger = logging.getLogger(__name__)


def note(answer: Answer, draft: Draft, trace: Trace, channel: str, *, by_asker: bool) -> None:
    """`by_asker`: somebody asked, and no suite. Only then is a miss one."""
    metrics.ANSWERS.labels(answer.answered_by, channel).inc()
    metrics.ANSWER_SECONDS.labels(answer.answered_by).observe(trace.milliseconds["total"] / 1000)
    if not answer.cached:
        metrics.CONFIDENCE.observe(draft.confidence)
    if by_asker and draft.miss and not answer.degraded:
        metrics.MISSES.inc()
    _tell(answer, trace, channel)


def _tell(answer: Answer, trace: Trace, channel: str) -> None:
    """One line, without a word of the answer: with the id, its receipt has the rest."""
    told = {
        "request_id": answer.request_id or tracing.request_id.get(),
        "answer": str(answer.id),
        "rung": answer.answered_by,
        "channel": channel,
        "cached": answer.cached,
        "degraded": answer.degraded,
        "milliseconds": trace.milliseconds,
    }
    logger.info("answer given", extra=told)
