"""How the page puts an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.pipeline import Source
from rag.chat.presentation import Shown, around_list, contact_link, linked, note
from tests.chat.fake_pipeline import an_answer


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://example.org/a?b=c#d.", ["https://example.org/a?b=c#d"]),
        ("(http://example.org/x)", ["http://example.org/x"]),
        ("https://example.org/wiki/A_(b)!", ["https://example.org/wiki/A_(b)"]),
        ("one https://a.example, two HTTPS://b.example", ["https://a.example", "HTTPS://b.example"]),
        ("javascript:alert(1) data:text/html,x ftp://x.example www.example.org", []),
        ("https:// http://... https://[", []),
        ('<a href="https://a.example/">', ["https://a.example/"]),
    ],
)
def test_only_http_addresses_become_links(text: str, links: list[str]) -> None:
    assert [piece.href for piece in linked(text) if piece.href] == links


@given(st.text(st.sampled_from("https://a.b ()[].,\n<>\"'x"), max_size=60))
def test_linking_changes_no_character(text: str) -> None:
    assert "".join(piece.text for piece in linked(text)) == text


@pytest.mark.parametrize(
    ("degraded", "says"),
    [
        ([], ""),
        (["generate"], "Answered without the AI that words answers, which cannot be reached right now."),
        (["embed", "vector"], "Answered without search by meaning, which cannot be reached right now."),
        (["something new"], "Answered without a part of the service, which cannot be reached right now."),
    ],
)
def test_a_degraded_answer_says_what_it_went_without(degraded: list[str], says: str) -> None:
    assert note(degraded) == says


def test_what_is_offered_as_buttons_is_not_listed_in_the_text_as_well() -> None:
    text = "Closest:\n\n• How do I pay?\n• Other\n\nPick one."
    assert around_list(text, ["How do I pay?", "Other"]) == ("Closest:", "Pick one.")
    assert around_list(text, []) == (text, "")


def sources(count: int) -> list[Source]:
    return [Source(n, f"e-{n}", f"Question {n}?", 1 / n) for n in range(1, count + 1)]


def test_suggestions_are_offered_as_questions_and_not_called_sources() -> None:
    shown = Shown.of(an_answer(answered_by="suggestions", sources=sources(9)))
    assert shown.sources == []
    assert shown.choices == [f"Question {n}?" for n in range(1, 6)]


def test_words_of_one_entry_have_one_source_and_generated_ones_up_to_three() -> None:
    assert len(Shown.of(an_answer(answered_by="verbatim", sources=sources(5))).sources) == 1
    assert len(Shown.of(an_answer(answered_by="generated", sources=sources(5))).sources) == 3


def test_an_answer_that_is_not_sure_offers_what_else_may_be_meant() -> None:
    shown = Shown.of(an_answer(did_you_mean=sources(3)[1:]))
    assert (shown.choices_title, shown.choices) == ("Did you mean", ["Question 2?", "Question 3?"])


@pytest.mark.parametrize(
    ("contact", "leads_to"),
    [
        ("help@example.org", "mailto:help@example.org"),
        ("https://example.org/help", "https://example.org/help"),
        ("+49 (30) 123-456", "tel:+4930123456"),
        ("Room 12", ""),
        ("javascript:alert(1)", ""),
        ("a@b@c", ""),
    ],
)
def test_a_contact_leads_where_it_can(contact: str, leads_to: str) -> None:
    assert contact_link(contact) == leads_to
