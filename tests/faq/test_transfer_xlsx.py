"""Workbooks: what their cells are read as, and the ways in which one is made to do harm."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from faq.models import Category, Entry
from faq.transfer import ImportReport, export_file, import_file, xlsx_file

pytestmark = pytest.mark.django_db
SHEET = "xl/worksheets/sheet1.xml"


def reasons(report: ImportReport) -> str:
    assert not report.written
    assert not Entry.objects.exists()
    return "\n".join(refusal.reason for refusal in report.refused)


def workbook(path: Path, rows: list[list[Any]]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_s_dates_numbers_and_short_rows_are_read_as_text(tmp_path: Path) -> None:
    header = ["Category", "question", "answer", "review_date", "tags"]
    rows: list[list[Any]] = [header, ["A", 42, 1.5, datetime(2027, 3, 31)], [], ["A", "Why?", True, None, "x, y"]]
    report = import_file(workbook(tmp_path / "entries.xlsx", rows))
    assert report.written, report.refused
    assert [str(date) for date in Entry.objects.order_by("pk").values_list("review_date", flat=True)] == [
        "2027-03-31",
        "None",
    ]
    assert list(Entry.objects.order_by("pk").values_list("question", "answer")) == [("42", "1.5"), ("Why?", "TRUE")]


def test_a_formula_that_nothing_has_computed_stays_as_text(tmp_path: Path) -> None:
    file = workbook(tmp_path / "entries.xlsx", [["category", "question", "answer"], ["A", "=1+1", '=CONCAT("a")']])
    assert import_file(file).written
    assert (Entry.objects.get().question, Entry.objects.get().answer) == ("=1+1", '=CONCAT("a")')


def test_a_formula_s_last_value_is_what_counts(tmp_path: Path) -> None:
    file = workbook(tmp_path / "entries.xlsx", [["category", "question", "answer"], ["A", "Why?", "=40+2"]])
    rewritten(file, SHEET, lambda xml: re.sub(rb"<v ?/>", b"<v>42</v>", xml))
    assert import_file(file).written
    assert Entry.objects.get().answer == "42"


def rewritten(file: Path, part: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert change(parts[part]) != parts[part]
    parts[part] = change(parts[part])
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_an_exported_cell_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    category = Category.objects.create(name="A")
    text = {"question": "#N/A", "answer": "TRUE", "tags": ["=1", "2"]}
    Entry.objects.create(category=category, external_id="1", **text)
    export_file(tmp_path / "entries.xlsx")
    sheet = load_workbook(tmp_path / "entries.xlsx").active
    assert isinstance(sheet, Worksheet)
    cells = {cell.value: cell.data_type for cell in sheet[2] if cell.value is not None}
    assert set(cells.values()) == {"s"}
    assert {"1", "#N/A", "TRUE", "'=1 | 2"} <= set(cells)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return workbook(tmp_path / "entries.xlsx", [["category", "question", "answer"], ["A", "Why?", "Because"]])


def test_a_zip_bomb_is_refused_before_it_is_unpacked(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(sound, SHEET, lambda xml: xml + b" " * 30_000_000)
    monkeypatch.setattr(xlsx_file, "_look_into", lambda *_: pytest.fail("it was unpacked"))
    assert "unpacks to more than 100 times its size" in reasons(import_file(sound))


def test_external_entities_are_refused(sound: Path) -> None:
    declaration = b'<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    rewritten(sound, SHEET, lambda xml: declaration + xml.replace(b"Because", b"&secret;"))
    assert "declares XML entities" in reasons(import_file(sound))


def test_macros_are_refused(sound: Path) -> None:
    with zipfile.ZipFile(sound, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    assert "contains macros" in reasons(import_file(sound))


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04" + b"\0" * 200, b"category,question,answer\n", b"\xd0\xcf\x11\xe0" * 99],
    ids=["zip", "text", "old"],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "entries.xlsx"
    file.write_bytes(content)
    assert "not an .xlsx workbook" in reasons(import_file(file))


def test_a_damaged_sheet_is_refused(sound: Path) -> None:
    rewritten(sound, SHEET, lambda xml: xml[: len(xml) // 2])
    assert "The workbook is damaged" in reasons(import_file(sound))


def test_rows_numbered_into_the_billions_do_not_keep_the_machine_busy(sound: Path) -> None:
    rewritten(sound, SHEET, lambda xml: xml.replace(b'r="2"', b'r="2000000000"'))
    assert "more than 1,048,576 rows" in reasons(import_file(sound))
