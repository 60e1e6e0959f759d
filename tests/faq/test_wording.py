"""Words in common, likeness of spelling, and what the process holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from faq import versions, wording
from faq.models import Entry

Published = Callable[..., Entry]
texts = st.text(max_size=60)


@given(one=texts, other=texts)
def test_similarity_is_symmetric_and_between_nothing_and_all(one: str, other: str) -> None:
    assert 0.0 <= wording.similarity(one, other) == wording.similarity(other, one) <= 1.0


def test_a_typo_is_near_and_another_word_is_not() -> None:
    assert wording.similarity("password", "pasword") > 0.5
    assert wording.similarity("password", "invoice") == 0.0


def test_rare_words_weigh_more() -> None:
    held = wording.Sample(entries=100)
    held.documents.update({"the": 100, "invoic": 2})
    assert held.overlap("the invoice", "an invoice") > 0.9
    assert held.overlap("the invoice", "the house") < 0.1


@given(question=texts, text=texts)
def test_overlap_is_a_share(question: str, text: str) -> None:
    held = wording.Sample(entries=10)
    assert 0.0 <= held.overlap(question, text) <= 1.0 + 1e-9
    assert held.overlap(question, question) in (0.0, pytest.approx(1.0))


@pytest.mark.django_db
def test_the_sample_is_read_again_when_the_content_has_moved_on(published: Published) -> None:
    published("Where are the gates?", "In the wall.")
    assert [held.question for held in wording.sample(versions.current()).questions] == ["Where are the gates?"]
    published("When is lunch?", "At noon.")
    assert len(wording.sample(versions.current()).questions) == 2


@pytest.mark.django_db
def test_what_is_held_is_offered_when_the_database_cannot_be_read(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("Where are the gates?", "In the wall.", category="House")
    published("When is lunch?", "At noon.", category="Food")
    wording.sample(versions.current())

    def broken(*_: object) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(connection, "cursor", broken)
    held = wording.sample(None)
    assert held.closest("lunch when", 1)[0][0].question == "When is lunch?"
    assert {one.category for one, _ in held.closest("xyzzy", 5)} == {"House", "Food"}
