"""Differences between two versions of a text: nothing is lost, nothing is made up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from faq.differences import ADDED, CONTEXT, KEPT, REMOVED, Piece, shortened, words

texts = st.text(alphabet="ab \n.", max_size=60)


@given(before=texts, after=texts)
def test_both_texts_can_be_read_from_the_pieces(before: str, after: str) -> None:
    pieces = words(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != ADDED) == before
    assert "".join(piece.text for piece in pieces if piece.kind != REMOVED) == after
    assert all(piece.text for piece in pieces)


def test_only_the_words_that_differ_are_marked() -> None:
    assert words("Pay by card today", "Pay in cash today") == [
        Piece(KEPT, "Pay "),
        Piece(REMOVED, "by"),
        Piece(ADDED, "in"),
        Piece(KEPT, " "),
        Piece(REMOVED, "card"),
        Piece(ADDED, "cash"),
        Piece(KEPT, " today"),
    ]


def test_an_unchanged_line_is_not_touched_by_what_is_above_it() -> None:
    assert words("one\ntwo\n", "new\none\ntwo\n") == [Piece(ADDED, "new\n"), Piece(KEPT, "one\ntwo\n")]


def test_passages_too_long_to_compare_word_by_word_are_shown_whole() -> None:
    before, after = "a " * 2_000, "b " * 2_000
    assert words(before, after) == [Piece(REMOVED, before), Piece(ADDED, after)]


def test_unchanged_stretches_are_cut_down_to_what_is_beside_a_change() -> None:
    long = "x" * 1_000
    cut = shortened(words(f"{long}\nold\n{long}", f"{long}\nnew\n{long}"))
    assert [piece.kind for piece in cut] == [KEPT, REMOVED, ADDED, KEPT]
    assert all(len(piece.text) <= CONTEXT + 2 for piece in cut)
    assert shortened([Piece(KEPT, long)]) == [Piece(KEPT, long)]


def test_what_is_cut_is_cut_between_words() -> None:
    text = " ".join(f"number{n}" for n in range(40))
    cut = shortened(words(f"{text}\nold\n{text}", f"{text}\nnew\n{text}"))
    assert {word for piece in cut if piece.kind == KEPT for word in piece.text.split()} <= {"…", *text.split()}
