"""When a question leans on the one before."""

from __future__ import annotations

import pytest

from rag.answering.conversation import in_context

BEFORE = [("How do I delete my account?", "In the settings.")]


@pytest.mark.parametrize(
    "asked", ["how long does it take?", "and on the phone", "What about my data?", "why?", "price"]
)
def test_short_and_pointing_questions_take_the_one_before_along(asked: str) -> None:
    assert in_context(asked, BEFORE) == f"How do I delete my account? {asked}"


def test_a_question_of_its_own_stands_alone() -> None:
    assert in_context("where can I download the invoice of last month", BEFORE) is None


def test_the_first_question_has_nothing_to_lean_on() -> None:
    assert in_context("why?", []) is None
