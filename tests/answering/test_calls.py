"""How many calls one question makes to Gemini and to Qdrant while they fail: counted where they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from faq.models import Entry
from rag.answering.pipeline import GENERATOR_BREAKER, VECTOR_BREAKER, answer
from rag.index import jobs, work
from tests.standins.gemini import API_KEY, GeminiStandIn
from tests.standins.qdrant import Fault, QdrantStandIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
ASKED = "my password is gone, how can I get a new one"
DEADLINE = 3.0


@pytest.fixture
def qdrant(settings: Settings, tmp_path: Path, published: Callable[..., Entry]) -> Iterator[QdrantStandIn]:
    settings.RAG_DEADLINE_SECONDS = DEADLINE
    settings.VECTOR_STORE = "rag.index.vector_store.QdrantStore"
    with QdrantStandIn(tmp_path) as qdrant:
        settings.QDRANT_URL = qdrant.url
        published("How do I reset my password?", "Choose Forgot password on the login page.")
        work.run(jobs.request().pk)
        assert answer(f"{ASKED}, before anything breaks").degraded == []
        qdrant.asked.clear()
        yield qdrant


@pytest.fixture
def gemini(gemini: GeminiStandIn, qdrant: QdrantStandIn, settings: Settings) -> GeminiStandIn:
    settings.GENERATOR = "rag.answering.generation.GeminiGenerator"
    settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL = API_KEY, gemini.url
    return gemini


@pytest.mark.fault(10, 11, 12, 14, 15)
@pytest.mark.parametrize("channel", ["json", "sse"])
@pytest.mark.parametrize(
    ("behaviour", "most"),
    [
        ("429", 1),
        ("500", 2),
        ("503", 2),
        ("hang", 1),
        ("drip_headers", 1),
        ("disconnect", 1),
        ("bad_key", 1),
        ("html", 1),
    ],
)
def test_of_one_question_to_a_gemini_that_fails(gemini: GeminiStandIn, behaviour: str, most: int, channel: str) -> None:
    gemini.behave(behaviour)
    assert answer(ASKED, channel=channel).answered_by == "verbatim"
    assert 1 <= len(gemini.requests) <= most


@pytest.mark.fault(10)
def test_of_those_who_ask_while_gemini_wants_to_be_left_alone(gemini: GeminiStandIn) -> None:
    """Row 10: none, before its breaker has opened and after."""
    gemini.behave("429")
    for number in range(12):
        assert answer(f"{ASKED} {number}").answered_by == "verbatim"
    assert len(gemini.requests) == 1


@pytest.mark.fault(1, 2, 6)
@pytest.mark.parametrize("fault", ["500", "garbage", "hang", "refuse"])
def test_of_one_question_to_a_qdrant_that_fails(qdrant: QdrantStandIn, fault: Fault) -> None:
    qdrant.fault(fault)
    assert answer(ASKED).degraded == ["vector"]
    qdrant.fault(None)
    assert len(qdrant.asked) == (0 if fault == "refuse" else 1)


@pytest.mark.parametrize("service", ["gemini", "qdrant"])
def test_none_where_the_breaker_is_open(gemini: GeminiStandIn, qdrant: QdrantStandIn, service: str) -> None:
    breaker = GENERATOR_BREAKER if service == "gemini" else VECTOR_BREAKER
    breaker.trip()
    for number in range(5):
        answer(f"{ASKED} {number}")
    assert (gemini.requests if service == "gemini" else qdrant.asked) == []
