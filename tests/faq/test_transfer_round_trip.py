"""Property: export, wipe, import gives every entry back, in each format."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from faq.models import Category, Entry
from faq.transfer import export_file, import_file
from faq.transfer.columns import COLUMNS
from faq.transfer.resource import EntryResource
from faq.transfer.text import question_key

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.one_of(st.text(max_size=60), st.text(alphabet="'=+-@|\\,;\"\t\r\n _x0D5Fab\u0301\x01\uffff", max_size=30))
rows = st.fixed_dictionaries(
    {
        "external_id": texts,
        "category": st.one_of(texts, st.sampled_from(["A", "B"])),
        "question": texts,
        "answer": texts,
        "variants": st.lists(texts, max_size=4),
        "tags": st.lists(texts, max_size=4),
        "language": st.sampled_from(["en", "fr", "pt-BR"]),
        "status": st.sampled_from(Entry.Status.values),
        "review_date": st.one_of(st.none(), st.dates(date(1000, 1, 1)).map(date.isoformat)),
    }
)
contents = st.lists(rows, max_size=5)


def store(rows: list[dict[str, Any]]) -> None:
    """Those of the rows that can be entries, with questions of their own."""
    questions: set[str] = set()
    for number, row in enumerate(rows):
        said, faults = EntryResource().clean_row(row)
        if faults or question_key(said["question"]) in questions:
            continue
        questions.add(question_key(said["question"]))
        category, _ = Category.objects.get_or_create(name=said["category"])
        said["external_id"] = f"{said.get('external_id', '')[:60]}{number}"
        Entry.objects.create(**said | {"category": category})


def everything() -> list[tuple[Any, ...]]:
    columns = [name if name != "category" else "category__name" for name in COLUMNS]
    return sorted(Entry.objects.values_list(*columns), key=lambda values: str(values[0]))


class RoundTrips(TestCase):
    def there_and_back(self, rows: list[dict[str, Any]], ending: str) -> None:
        store(rows)
        before = everything()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"entries{ending}"
            assert export_file(file) == len(before)
            again = import_file(file)
            assert (again.unchanged, again.rows) == (len(before), len(before)), again
            Entry.objects.all().delete()
            Category.objects.all().delete()
            report = import_file(file)
        assert report.written, report.refused
        assert report.new == len(before)
        assert everything() == before

    @FEW
    @given(contents)
    def test_csv_gives_every_entry_back(self, rows: list[dict[str, Any]]) -> None:
        self.there_and_back(rows, ".csv")

    @FEW
    @given(contents)
    def test_xlsx_gives_every_entry_back(self, rows: list[dict[str, Any]]) -> None:
        self.there_and_back(rows, ".xlsx")

    @FEW
    @given(contents)
    def test_json_gives_every_entry_back(self, rows: list[dict[str, Any]]) -> None:
        self.there_and_back(rows, ".json")


@pytest.mark.django_db
def test_an_unknown_ending_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.csv, \.xlsx or \.json"):
        export_file(tmp_path / "entries.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_a_text_that_no_workbook_cell_can_hold_is_said_not_cut(tmp_path: Path) -> None:
    category = Category.objects.create(name="A")
    Entry.objects.create(category=category, external_id="long", question="Why?", answer="\x01" * 10_000)
    with pytest.raises(ValueError, match=r"entry long .* export as CSV or JSON"):
        export_file(tmp_path / "entries.xlsx")
    assert list(tmp_path.iterdir()) == []
