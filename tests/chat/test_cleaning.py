"""What is left of a question."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chat.cleaning import clean, is_blank, is_storable

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
TROUBLE = "aK e\u0301\u00e9\u200b\u200c\u200d\u202e\u202c\u2066\u00ad\ufeff\u00a0\u2028\u3164\U000e0041\r\n\t\x0b\x1f;"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("  How do\u00a0I \t pay? ", "How do I pay?"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("\u202eevil\u202c?", "evil?"),
        ("pass\u200bword", "password"),
        ("pass\u200dword", "password"),
        ("bell\x07", "bell"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("cafe\u0301", "caf\u00e9"),
        ("cafe\u200b\u0301", "caf\u00e9"),
        ("x\u00b2 \ufb01", "x\u00b2 \ufb01"),
        (FAMILY, FAMILY),
        (PERSIAN, PERSIAN),
    ],
)
def test_what_nobody_sees_is_taken_out_and_everything_else_stays(given: str, left: str) -> None:
    assert clean(given) == left


@given(st.text(alphabet=st.one_of(st.sampled_from(TROUBLE), st.characters(codec="utf-8")), max_size=60))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(alphabet=st.one_of(st.sampled_from(TROUBLE), st.characters(codec="utf-8")), max_size=60))
def test_no_control_or_bidirectional_character_is_left(text: str) -> None:
    left = clean(text)
    assert not [sign for sign in left if unicodedata.category(sign) == "Cc" and sign != "\n"]
    assert not set(left) & set("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@pytest.mark.parametrize("text", ["", " \n", "\u3164", "\u2800 \u3164", "\u0301", "\ufe0f", "\u0600"[:0]])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["?", "a", "\U0001f600", "\u4f60", "!!! & |", "0"])
def test_one_visible_sign_is_a_question(text: str) -> None:
    assert not is_blank(text)


def test_nul_and_lone_surrogates_cannot_be_stored() -> None:
    assert not is_storable("a\x00b")
    assert not is_storable("a\ud800b")
    assert is_storable("a\U0001f600b")
