"""Reading files: encodings, separators, line numbers, and every way in which a file can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from faq.models import Entry
from faq.transfer import ImportReport, import_file
from faq.transfer.plain_text import BLOCK
from faq.transfer.reading import SUFFIXES

pytestmark = pytest.mark.django_db
NASTY = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nasty"
HEADER = "category,question,answer\n"
Imported = Callable[..., ImportReport]


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    def write_and_import(content: str | bytes, name: str = "entries.csv", **options: Any) -> ImportReport:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return import_file(file, **options)

    return write_and_import


def reasons(report: ImportReport) -> str:
    assert not report.written
    assert not Entry.objects.exists()
    return "\n".join(f"{refusal.line}: {refusal.reason}" for refusal in report.refused)


# What each of the malformed files must come to: how many are new, or what the refusal says.
EXPECTED: dict[str, int | str] = {
    "plain.csv": 2,
    "utf8_bom.csv": 2,
    "utf16le_bom.csv": 2,
    "utf16be_nobom.csv": "UTF-16 without its byte order mark",
    "cp1252.csv": "Byte 26 (0xE9, line 2) is not UTF-8",
    "invalid_utf8.csv": "Byte 35 (0xFF, line 2) is not UTF-8",
    "overlong_utf8.csv": "Byte 33 (0xC0, line 2) is not UTF-8",
    "nul_in_cell.csv": "2: question contains the character NUL",
    "quoted_newlines.csv": 1,
    "crlf.csv": 2,
    "cr_only.csv": 2,
    "mixed_eol.csv": 2,
    "duplicate_headers.csv": "The column question occurs twice",
    "missing_answer_column.csv": "no column answer",
    "header_case_space.csv": 1,
    "extra_columns.csv": 1,
    "ragged.csv": "2: The row has 2 cells where the header has 3",
    "unterminated_quote.csv": "2: In the row of line 2 a quotation mark is opened and never closed",
    "semicolon.csv": 2,
    "tab.tsv": 2,
    "empty.csv": "is empty",
    "header_only.csv": 0,
    "blank_lines.csv": 2,
    "whitespace_question.csv": "3: question is blank",
    "duplicates.csv": 1,
    "nfc_nfd_duplicates.csv": 1,
    "formula_injection.csv": 3,
    "html_script.csv": 1,
    "rtl_zalgo_emoji.csv": 1,
    "many_columns.csv": "5,002 columns, at most 100",
    "binary_png.csv": "not CSV but a picture",
    "zip_named.csv": "not CSV but a workbook or ZIP archive",
    "sql_like.csv": 1,
    "tsquery_operators.csv": 1,
}


@pytest.mark.skipif(not NASTY.exists(), reason="the malformed files lie beside the project, and are not here")
@pytest.mark.parametrize("name", EXPECTED)
def test_each_malformed_file_comes_to_what_is_expected_of_it(name: str) -> None:
    expected = EXPECTED[name]
    report = import_file(NASTY / "csv" / name)
    if isinstance(expected, str):
        assert expected in reasons(report)
    else:
        assert (report.new, report.refused, report.written) == (expected, [], True)
        assert Entry.objects.count() == expected
        assert not Entry.objects.filter(answer__contains="\ufffd").exists()


@pytest.mark.skipif(not NASTY.exists(), reason="the malformed files lie beside the project, and are not here")
def test_every_malformed_file_has_its_expectation() -> None:
    assert set(json.loads((NASTY / "csv_expected.json").read_text())) == set(EXPECTED)


def test_line_numbers_count_lines_within_quotation_marks(imported: Imported) -> None:
    report = imported(HEADER + 'A,First?,"one\n\ntwo"\n\nA,,blank\nA,Third?,fine\nA,Fourth?,\n')
    assert [refusal.line for refusal in report.refused] == [6, 8]


def test_a_byte_order_mark_does_not_shift_the_position_that_is_named(imported: Imported) -> None:
    assert "Byte 30 (0xE9, line 2)" in reasons(imported(b"\xef\xbb\xbf" + HEADER.encode() + b"A,\xe9?,x\n"))


def test_a_bad_byte_far_into_the_file_is_named_by_its_place(imported: Imported) -> None:
    text = HEADER + "".join(f"A,Question {n}?,An answer\n" for n in range(9_000))
    assert f"Byte {len(text) + 2:,} (0xFF, line 9,002)" in reasons(imported(text.encode() + b"A,\xff?,x\n"))


def test_a_character_cut_off_at_the_end_of_a_block_is_named_by_its_own_place(imported: Imported) -> None:
    text = (HEADER + "A,Why?,").ljust(BLOCK - 1, "x").encode()
    assert f"Byte {BLOCK - 1:,} (0xE2, line 2)" in reasons(imported(text + b"\xe2xx\n"))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_gives_the_known_columns(imported: Imported, separator: str) -> None:
    row = ["A, b; c", "What | is\tit?", "This; that, and so on"]
    text = separator.join(["Category", "QUESTION ", "answer"]) + "\n" + separator.join(f'"{cell}"' for cell in row)
    assert imported(text).new == 1
    assert Entry.objects.get().category.name == "A, b; c"


def test_rows_of_nothing_but_separators_are_passed_over(imported: Imported) -> None:
    assert imported(HEADER + ",,\nA,Why?,Because\n , ,\n").new == 1


def test_a_cell_without_end_is_refused_before_it_fills_the_memory(imported: Imported) -> None:
    assert "longer than 131,072 characters" in reasons(imported(HEADER + f'A,Why?,"{"lorem ipsum " * 20_000}"\n'))
    assert "Line 2 is longer than 1,048,576 characters: shorten its cells" in reasons(
        imported(HEADER + "A," + "z" * 3_000_000 + ",x\n")
    )


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("q" * 501, "question has 501 characters, at most 500 are allowed"),
        ("e" + "\u0301" * 100 + "?", "question has more than 64 combining marks in a row"),
        ("q" * 100_000, "question has 100,000 characters"),
    ],
)
def test_a_question_too_long_is_refused_with_the_limit(imported: Imported, cell: str, said: str) -> None:
    assert said in reasons(imported(f"{HEADER}A,{cell},x\n"))


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("status", "live", 'status is "live": write one of draft, published, archived.'),
        ("review_date", "31/12/2026", 'review_date is "31/12/2026", not a date: write year, month and day'),
        ("language", "english please", 'language is "english please", not a language tag: write one like en'),
        ("external_id", "x" * 65, "external_id has 65 characters, at most 64"),
        ("variants", " | ".join(f"v{n}" for n in range(101)), "variants has 101 items, at most 100"),
        ("tags", "t" * 501, "tags has 501 characters, at most 500"),
    ],
)
def test_a_bad_cell_is_refused_with_field_rule_and_way_out(
    imported: Imported, column: str, cell: str, said: str
) -> None:
    report = imported(f"category,question,answer,{column}\nA,Why?,Because,{cell}\n")
    assert f"2: {said}" in reasons(report)


def test_every_fault_of_a_row_is_told_at_once(imported: Imported) -> None:
    report = imported("category,question,answer,status\n,,x,live\n")
    assert "category is blank" in reasons(report)
    assert "question is blank" in reasons(report)
    assert "status is" in reasons(report)


@pytest.mark.parametrize("name", ["entries.pdf", "entries", "entries.xls"])
def test_another_kind_of_file_is_refused_by_its_ending(imported: Imported, name: str) -> None:
    assert "use one of .csv" in reasons(imported("x", name))


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "No such file" in import_file(tmp_path / "gone.csv").refused[0].reason


# JSON


def test_json_takes_a_list_or_lines_with_native_lists(imported: Imported) -> None:
    rows = [
        {"Category": "A", "question": f"Question {n}?", "answer": "x", "variants": ["a | b", "c"], "note": 1}
        for n in range(3)
    ]
    report = imported("\n".join(json.dumps(row) for row in rows), "entries.jsonl")
    assert (report.new, report.ignored_columns) == (3, ["note"])
    assert Entry.objects.filter(variants="a | b\nc").count() == 3
    assert imported(json.dumps(rows), "entries.json").unchanged == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"question": "Why?", "answer": "x"}', "not closed by ]"),
        ('[{"question": "Why?",\n "answer": }]', "2: Line 2 is not valid JSON"),
        ('["text"]', "an object like {…} is expected"),
        ("[" * 100_000, "an object like {…} is expected"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ('[{"category": "A", "question": "Why?", "answer": {"deep": 1}}]', "answer is a nested object or list"),
        ('[{"category": "A", "question": "Why?", "answer": "x", "Question ": "y"}]', "question is given twice"),
        ('[{"category": "A", "question": "\\ud800?", "answer": "x"}]', "half a character"),
        ('[{"category": "A", "answer": "x"}]', "question is blank"),
        ("[]]", "Text follows the end of the list"),
    ],
)
def test_wrong_json_is_refused_by_its_place(imported: Imported, content: str, said: str) -> None:
    assert said in reasons(imported(content, "entries.json"))


def test_objects_on_one_line_are_told_apart(imported: Imported) -> None:
    rows = [{"category": "A", "question": f"Question {n}?", "answer": "x"} for n in range(5)]
    assert imported(json.dumps(rows), "entries.json").new == 5


# Anything at all

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
pieces = st.lists(
    st.sampled_from(
        [b"category,question,answer\n", b"A,", b"Why?,", b'"', b"\n", b"\r", b"\0", b"\xff\xfe", b"[{", b'":']
    )
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)


class AnyBytes(TestCase):
    @FEW
    @given(content=pieces, suffix=st.sampled_from(sorted(SUFFIXES)))
    def test_no_file_raises(self, content: bytes, suffix: str) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"any{suffix}"
            file.write_bytes(content)
            report = import_file(file)
        assert report.written != bool(report.refused)
        assert Entry.objects.count() == (report.new if report.written else 0)
