"""What happened on the way to one answer: rungs tried and why left, fallbacks, times."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag import metrics

logger = logging.getLogger(__name__)


@dataclass
class Trace:
    request_id: str = ""
    rungs: list[dict[str, str]] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    fallbacks: list[list[str]] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)

    def left(self, rung: str, reason: str) -> None:
        """This rung was tried, or could have been, and did not give the answer."""
        self.rungs.append({"rung": rung, "left": reason})

    def gave(self, rung: str) -> None:
        self.rungs.append({"rung": rung, "left": ""})

    def fell_back(self, stage: str, reason: str) -> None:
        """Something that should work did not: the answer is degraded by this stage."""
        if stage not in self.degraded:
            self.degraded.append(stage)
        if [stage, reason] not in self.fallbacks:
            self.fallbacks.append([stage, reason])
        metrics.FALLBACKS.labels(stage, reason).inc()
        logger.warning("fallback: %s %s", stage, reason, extra={"stage": stage, "reason": reason})

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            self.milliseconds[stage] = round(self.milliseconds.get(stage, 0.0) + 1000 * seconds, 2)
            metrics.STAGE_SECONDS.labels(stage).observe(seconds)
