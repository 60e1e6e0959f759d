"""An answer as a stream of server-sent events: meta, delta…, done."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from django.db import connections
from django.http import StreamingHttpResponse

from rag import metrics
from rag.answering.pipeline import Answer, Delta, Meta
from rag.errors import AskerGone

logger = logging.getLogger(__name__)

# A stream keeps a thread for as long as it lasts; half of a worker's eight stay free for everything else.
STREAMS_PER_PROCESS = 4

Step = Meta | Delta | Answer
_LINE_END = re.compile("\r\n|\r|\n")


class Slots:
    """How many streams this process may have open at once."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    def take(self) -> bool:
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()


slots = Slots(STREAMS_PER_PROCESS)


def event(name: str, data: dict[str, Any]) -> bytes:
    """One event. JSON has no line ends of its own; split all the same, so that no text can begin an event."""
    lines = _LINE_END.split(json.dumps(data))
    return "".join([f"event: {name}\n", *(f"data: {line}\n" for line in lines), "\n"]).encode()


class EventStream:
    """The events of one answer. Closing it, at the end or because the asker left, ends the work behind it.

    A class and not a generator: closing a generator that was never started would not give the slot back.
    """

    def __init__(
        self,
        steps: Generator[Step, None, None] | Iterator[Step],
        told: Callable[[Step], tuple[str, dict[str, Any]]],
        failed: Callable[[Exception], dict[str, Any]],
        free: Callable[[], None],
    ) -> None:
        self._steps = steps
        self._told = told
        self._failed = failed
        self._free: Callable[[], None] | None = free
        self._ended = False
        self._waits_since: float | None = time.perf_counter()

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> bytes:
        if self._free is None:
            raise StopIteration
        try:
            step = next(self._steps)
            self._note_first_text(step)
            self._ended = isinstance(step, Answer)
            name, data = self._told(step)
        except StopIteration:
            self._ended = True
            self.close()
            raise
        except AskerGone:
            self.close()
            raise StopIteration from None
        except Exception as error:
            # The status line is long gone: only an event can still tell that no `done` will come.
            name, data = "error", self._failed(error)
            self._ended = True
            self.close()
        release_connections()
        return event(name, data)

    def _note_first_text(self, step: Step) -> None:
        if self._waits_since is not None and not isinstance(step, Meta):
            metrics.FIRST_TEXT_SECONDS.observe(time.perf_counter() - self._waits_since)
            self._waits_since = None

    def close(self) -> None:
        free, self._free = self._free, None
        if free is None:
            return
        if not self._ended:
            metrics.ABORTED.inc()
            logger.info("the asker left before the answer was whole")
        try:
            if isinstance(self._steps, Generator):
                self._steps.close()
        finally:
            free()

    def __del__(self) -> None:
        # A response that some middleware dropped is closed by nobody.
        self.close()


def response(stream: EventStream) -> StreamingHttpResponse:
    sent = StreamingHttpResponse(stream, content_type="text/event-stream; charset=utf-8")
    sent["Cache-Control"] = "no-cache"
    sent["X-Accel-Buffering"] = "no"
    return sent


def release_connections() -> None:
    """Whoever reads slowly must not keep a connection of the pool meanwhile."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
