"""The server of every peer: FastAPI. Handlers run one after another in each process, as encoding takes all of it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from pydantic import BaseModel


class Asked(BaseModel):
    question: str


class Source(BaseModel):
    question: str
    score: float


class Answer(BaseModel):
    answer: str
    sources: list[Source]


def served(nearest: Callable[[str], list[tuple[dict[str, str], float]]]) -> FastAPI:
    """`nearest` gives entries with their scores, best first."""
    app = FastAPI()

    @app.get("/")
    async def ready() -> dict[str, str]:
        return {}

    @app.post("/ask")
    async def ask(asked: Asked) -> Answer:
        found = nearest(asked.question)
        sources = [Source(question=entry["question"], score=score) for entry, score in found]
        return Answer(answer=found[0][0]["answer"], sources=sources)

    return app
