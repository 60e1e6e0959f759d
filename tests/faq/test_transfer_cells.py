"""Cells: what is written into one comes back as it was, and no spreadsheet computes it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from faq.fields import lines
from faq.transfer.cells import inert, join_tags, join_variants, restored, split_tags, split_variants
from faq.transfer.xlsx_file import _readable, _writable

signs = st.text(alphabet="'=+-@\t\r\n|\\, a_x0D5F\x01\uffff", max_size=12)
texts = st.one_of(st.text(), signs)
items = st.lists(texts, max_size=5).map(lines)


@given(texts)
@example("'=1+1")
@example("''=1+1")
def test_an_inert_cell_is_read_back_as_the_text(text: str) -> None:
    assert restored(inert(text)) == text


@given(texts)
def test_no_written_cell_starts_with_what_a_spreadsheet_computes(text: str) -> None:
    assert not inert(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_texts_that_differ_are_written_differently() -> None:
    assert len({inert(text) for text in ("=1", "'=1", "''=1", "1", "'1")}) == 5


@given(items)
@example(["|", "\\|", "a | b", "\\\\|"])
def test_variants_come_back_from_their_cell(variants: list[str]) -> None:
    assert split_variants(join_variants(variants)) == variants


@given(items)
@example(["a, b", ",", "\\,", "|", "a\\", "x,y"])
def test_tags_come_back_from_their_cell(tags: list[str]) -> None:
    assert split_tags(join_tags(tags)) == [tag for tag in tags if tag]


def test_people_may_separate_tags_by_commas_pipes_or_lines() -> None:
    assert split_tags("cards, refunds") == split_tags("cards | refunds") == split_tags("cards\nrefunds")
    assert split_variants("How, and when? | Why?") == ["How, and when?", "Why?"]


@given(texts.filter(lambda text: "\0" not in text))
@example("_x000D_")
@example("_x000D\r")
@example("_x005F_x005F_")
@example("_\r_x0041_")
def test_a_workbook_cell_is_read_back_as_the_text(text: str) -> None:
    assert _readable(_writable(text, "id")) == text
