"""What happened on the way to one answer: rungs tried and why left, fallbacks, times."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rag import metrics
from rag.answering.prompt import Prompt
from rag.answering.retrieval import Found

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """One look for entries: `by` meaning or words, with the text that was looked for."""

    by: str
    text: str
    found: Found

    def in_short(self) -> dict[str, Any]:
        """As a receipt keeps it: the cuts that held, and each entry's id, score and cosine."""
        tuning = self.found.tuning
        return {
            "by": self.by,
            "text": self.text,
            "confidence": round(self.found.confidence, 4),
            "threshold": tuning.threshold,
            "sure": tuning.sure,
            "likely": tuning.likely,
            "entries": [
                [one.entry.pk, round(one.score, 4), None if one.vector is None else round(one.vector, 4)]
                for one in self.found.candidates
            ],
        }


@dataclass
class Trace:
    request_id: str = ""
    counted: bool = True  # in the metrics
    rungs: list[dict[str, str]] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    fallbacks: list[list[str]] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    prompt: Prompt | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)

    def left(self, rung: str, reason: str) -> None:
        """This rung was tried, or could have been, and did not give the answer."""
        self.rungs.append({"rung": rung, "left": reason})

    def gave(self, rung: str) -> None:
        self.rungs.append({"rung": rung, "left": ""})

    def looked(self, by: str, text: str, found: Found) -> Found:
        self.looks.append(Look(by, text, found))
        return found

    def fell_back(self, stage: str, reason: str, detail: str = "") -> None:
        """Something that should work did not: the answer is degraded by this stage. `detail` is for the log."""
        if stage not in self.degraded:
            self.degraded.append(stage)
        if [stage, reason] not in self.fallbacks:
            self.fallbacks.append([stage, reason])
        if self.counted:
            metrics.FALLBACKS.labels(stage, reason).inc()
        extra = {"stage": stage, "reason": reason, "detail": detail or reason}
        logger.warning("fallback: %s %s", stage, reason, extra=extra)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            self.milliseconds[stage] = round(self.milliseconds.get(stage, 0.0) + 1000 * seconds, 2)
            if self.counted:
                metrics.STAGE_SECONDS.labels(stage).observe(seconds)
