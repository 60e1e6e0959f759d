"""Qdrant, Gemini, Redis and the embedding model, each there or away: all sixteen ways, each answered usefully."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.faults import ground as grounds
from tests.faults.ground import Ground
from tests.servers import until

# Each part with the stage by which an answer without it is degraded; the model is away in a product of its own.
AWAY = {"qdrant": "vector", "gemini": "generate", "redis": None}
WAYS = [frozenset(some) for number in range(len(AWAY) + 1) for some in itertools.combinations(AWAY, number)]
numbers = count()


@pytest.fixture(scope="module")
def whole(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ground(tmp_path_factory.mktemp("whole"), qdrant_url) as ground:
        yield grounds.warm(ground)


@pytest.fixture(scope="module")
def modelless(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("modelless")
    nowhere = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    with grounds.ground(folder, qdrant_url, MODEL_DIR=str(folder / "models"), **nowhere) as ground:
        yield ground


def take_away(ground: Ground, parts: frozenset[str]) -> None:
    if "qdrant" in parts:
        ground.qdrant.cut()
    if "gemini" in parts:
        ground.gemini.behave("500")
    if "redis" in parts:
        ground.redis.fail(signal.SIGKILL)


def give_back(ground: Ground) -> None:
    ground.qdrant.mend()
    ground.gemini.behave("good")
    ground.redis.recover()


@pytest.mark.parametrize("away", WAYS, ids=lambda away: "+".join(sorted(away)) or "nothing")
def test_with_the_model(whole: Ground, away: frozenset[str]) -> None:
    take_away(whole, away)
    try:
        reply = whole.product.ask(f"When do you close on Saturday? I come with tram {next(numbers)}.")
        assert reply.status == 200
        assert reply.sources[0] == "opening"
        if "qdrant" in away:
            # Without vectors the words alone decide, and nothing is generated from what they find.
            assert (reply.answered_by, reply.degraded) in [("text_search", ["vector"]), ("suggestions", ["vector"])]
        elif "gemini" in away:
            assert (reply.answered_by, reply.degraded) == ("verbatim", ["generate"])
        else:
            assert (reply.answered_by, reply.degraded) == ("generated", [])
    finally:
        give_back(whole)
    until(lambda: _answers_with_everything(whole), "everything is used again", 60, pause=0.5)


def _answers_with_everything(ground: Ground) -> bool:
    replies = (ground.product.ask(f"When do you close on Sunday {next(numbers)}?") for _ in range(4))
    return all(reply.degraded == [] for reply in replies)


@pytest.mark.parametrize("away", WAYS, ids=lambda away: "+".join(sorted(away)) or "nothing")
def test_without_the_model(modelless: Ground, away: frozenset[str]) -> None:
    take_away(modelless, away)
    try:
        reply = modelless.product.ask(f"When do you close on Saturday? I come with tram {next(numbers)}.")
        assert (reply.status, reply.degraded, reply.sources[0]) == (200, ["embed"], "opening")
        assert reply.answered_by in {"text_search", "suggestions"}
        exact = modelless.product.ask("When is the library open")
        assert (exact.answered_by, exact.degraded) == ("exact", [])
    finally:
        give_back(modelless)
