"""The same question while it is being answered: the asker behind is told the same, within his own time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from pytest_django import Settings

from faq.models import Entry
from rag.answering import cache as kept_answers
from rag.answering.answers import Draft
from rag.answering.pipeline import Answer, Delta, answer, stream
from tests.answering.test_pipeline import ASKED
from tests.answering.test_pipeline import gemini as gemini
from tests.answering.test_pipeline import house as house
from tests.standins.gemini import GeminiStandIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]


def test_a_leader_who_reads_slowly_keeps_nobody_beyond_his_deadline(
    house: dict[str, Entry], gemini: GeminiStandIn, settings: Settings
) -> None:
    answer(f"{ASKED} now")  # loads what is loaded once
    settings.RAG_DEADLINE_SECONDS = 3.0
    gemini.text = "Choose Forgot password. [1] A mail comes. [1]"
    leader = stream(ASKED)
    while not isinstance(next(leader), Delta):
        pass
    behind = answer(ASKED)
    assert (behind.answered_by, behind.degraded) == ("verbatim", ["generate"])
    assert behind.answer == house["password"].answer
    assert len(gemini.requests) == 2
    *_, last = leader
    assert isinstance(last, Answer)
    assert last.answered_by == "generated"


def test_a_leader_who_left_is_replaced(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    gemini.text = "Choose Forgot password. [1] A mail comes. [1]"
    leader = stream(ASKED)
    while not isinstance(next(leader), Delta):
        pass
    leader.close()  # type: ignore[attr-defined]  # a generator, seen as an iterator
    given = answer(ASKED)
    assert (given.answered_by, given.cached, given.degraded) == ("generated", False, [])


def test_what_was_kept_is_found_without_gemini(house: dict[str, Entry], gemini: GeminiStandIn) -> None:
    answer(ASKED)
    assert answer(ASKED).cached
    assert len(gemini.requests) == 1
    kept_answers.forget()  # as another process, which has the cache only
    assert answer(ASKED).cached
    cache.clear()  # as when Redis is gone: what this process holds is enough
    assert answer(ASKED).cached
    kept_answers.forget()
    assert not answer(ASKED).cached


def test_nothing_is_kept_longer_than_it_may(house: dict[str, Entry], gemini: GeminiStandIn, settings: Settings) -> None:
    settings.CACHE_TTL = 0
    answer(ASKED)
    assert not answer(ASKED).cached


def test_of_what_a_process_holds_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "HELD", 2)
    draft = Draft("verbatim", "Choose Forgot password.", 0.9)
    for key in ("one", "two", "three"):
        kept_answers.keep(key, draft)
    cache.clear()
    assert [kept_answers.find(key) for key in ("one", "two", "three")] == [None, draft, draft]
