"""A day's tokens: shared by all, bounded, and no error when they are used up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings

from faq.models import Entry
from rag.answering import generator_probe, prompt, token_budget
from rag.answering.pipeline import GENERATOR_BREAKER, answer
from rag.errors import GeneratorUnavailable
from rag.models import Receipt, TokenDay
from tests.answering.test_pipeline import ASKED, rungs_left
from tests.answering.test_pipeline import gemini as gemini
from tests.answering.test_pipeline import house as house
from tests.standins.gemini import GeminiStandIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
ASKING = prompt.build("When?", [prompt.Passage(1, "When are you open?", "From nine.")])


@pytest.fixture(autouse=True)
def limit(settings: Settings) -> Iterator[None]:
    settings.GEMINI_TOKENS_PER_DAY = 4_000
    yield


def used_up() -> float:
    return REGISTRY.get_sample_value("faq_gemini_budget_exhausted_total") or 0.0


def test_what_a_call_cost_is_what_counts(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    assert answer(ASKED).answered_by == "generated"
    assert token_budget.spent() == 50  # as the stand-in counts, and not what was reserved


def test_above_it_entries_answer_in_their_own_words(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    TokenDay.objects.create(day=token_budget.today(), tokens=4_000)
    before = used_up()
    for number in range(7):
        given = answer(f"{ASKED} {number}")
        assert (given.answered_by, given.degraded) == ("verbatim", ["generate"])
        assert given.answer == house["password"].answer
        assert rungs_left(given)["generated"] == "budget"
        assert Receipt.objects.get(pk=given.id).fallbacks == [["generate", "budget"]]
    assert gemini.requests == []
    assert used_up() == before + 7
    assert not GENERATOR_BREAKER.is_open  # Gemini did nothing wrong
    TokenDay.objects.update(tokens=0)
    assert answer(f"{ASKED} again").answered_by == "generated"


def test_another_day_begins_anew(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    yesterday = token_budget.today().replace(year=token_budget.today().year - 1)
    TokenDay.objects.create(day=yesterday, tokens=10**9)
    assert answer(ASKED).answered_by == "generated"


def test_a_call_that_breaks_off_has_cost_what_was_reserved(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    gemini.behave("500")
    answer(ASKED)
    assert token_budget.spent() > 0


def test_what_is_reserved_never_exceeds_the_limit() -> None:
    reserved = []
    with pytest.raises(GeneratorUnavailable) as refused:
        for _ in range(100):
            reserved.append(token_budget.reserve(ASKING))
            assert token_budget.spent() <= 4_000
    assert reserved
    assert refused.value.reason == "budget"


def test_without_a_limit_nothing_is_counted(house: dict[str, Entry], gemini: GeminiStandIn, settings: Settings) -> None:
    settings.GEMINI_TOKENS_PER_DAY = 0
    assert answer(ASKED).answered_by == "generated"
    assert not TokenDay.objects.exists()


@pytest.mark.parametrize(("tokens", "says"), [(1_000, "25% of today's 4,000 tokens used"), (4_000, "until midnight")])
def test_the_health_tile_tells_it_and_stays_well(gemini: GeminiStandIn, tokens: int, says: str) -> None:
    TokenDay.objects.create(day=token_budget.today(), tokens=tokens)
    assert says in generator_probe.probe()
