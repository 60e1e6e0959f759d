"""A pipeline that answers as it is told to: these tests are about the door and not about what is behind."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from rag.answering.pipeline import Answer, Delta, Meta, Source

URL = "/api/chat/"
QUESTION = {"question": "How do I import?"}
CONTRACT = {
    "id",
    "answer",
    "answered_by",
    "degraded",
    "cached",
    "confidence",
    "sources",
    "conversation",
    "request_id",
}


def ask(asker: Client, body: dict[str, Any] = QUESTION, query: str = "", **headers: Any) -> Any:
    return asker.post(URL + query, body, content_type="application/json", **headers)


def an_answer(**changes: Any) -> Answer:
    plain = Answer(
        id=uuid4(),
        answer="Open the console and choose Import.",
        answered_by="verbatim",
        degraded=[],
        cached=False,
        confidence=0.9,
        sources=[Source(7, "import-csv", "How do I import a CSV file?", 0.87)],
        conversation=uuid4(),
        request_id="",
        did_you_mean=[],
    )
    return dataclasses.replace(plain, **changes)


class FakePipeline:
    """Gives `answer`, in `pieces` when it streams; remembers what it was asked and whether it was closed."""

    def __init__(self) -> None:
        self.given = an_answer()
        self.pieces: list[str] | None = None
        self.fails: Exception | None = None
        # Cleared by a test, it holds a stream back after its first piece.
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[dict[str, Any]] = []
        self.closed = 0

    @property
    def questions(self) -> list[str]:
        return [asked["question"] for asked in self.asked]

    def answer(self, question: str, **how: Any) -> Answer:
        self.asked.append({"question": question, **how})
        if self.fails:
            raise self.fails
        return self._given(how)

    def stream(self, question: str, **how: Any) -> Iterator[Meta | Delta | Answer]:
        self.asked.append({"question": question, **how})
        given = self._given(how)
        try:
            yield Meta(given.id, given.conversation, given.request_id)
            for piece in [given.answer] if self.pieces is None else self.pieces:
                yield Delta(piece)
                self.gate.wait(timeout=10)
            if self.fails:
                raise self.fails
            yield given
        finally:
            self.closed += 1

    def _given(self, how: dict[str, Any]) -> Answer:
        conversation: UUID = how["conversation"] or self.given.conversation
        return dataclasses.replace(self.given, conversation=conversation, request_id=how["request_id"])
