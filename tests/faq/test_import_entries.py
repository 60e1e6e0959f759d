"""The commands import_entries and export_entries: what they print, how they end."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from faq.models import Entry

pytestmark = pytest.mark.django_db
NASTY = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nasty" / "csv"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "entries.csv"
    path.write_text("category,question,answer,source\nA,Why?,Because,x\nA,why ?,Because,x\nA,WHY?,Because,x\n")
    return path


def run(*arguments: str | Path) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("import_entries", *map(str, arguments), stdout=out)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_a_file_is_written_and_what_comes_next_is_said(file: Path) -> None:
    code, out = run(file)
    assert code == 0
    assert "Ignored columns: source" in out
    assert "New categories: A" in out
    assert "The same question as line 2" in out
    assert "Written: 2 new and 0 changed entries." in out
    assert "publish them in the console" in out
    assert set(Entry.objects.values_list("question", "status")) == {("Why?", "draft"), ("why ?", "draft")}


def test_publish_publishes(file: Path) -> None:
    code, out = run(file, "--publish")
    assert code == 0
    assert "publish them" not in out
    assert Entry.objects.published().count() == 2


def test_a_dry_run_writes_nothing_and_says_how_to(file: Path) -> None:
    code, out = run(file, "--dry-run")
    assert code == 0
    assert "without --dry-run" in out
    assert not Entry.objects.exists()


def test_a_second_run_says_that_nothing_was_to_be_done(file: Path) -> None:
    run(file)
    assert "holds all of this already" in run(file)[1]


def test_a_refused_row_ends_with_1_its_line_and_nothing_written(file: Path) -> None:
    file.write_text(file.read_text() + "A,,nothing asked,x\n")
    code, out = run(file)
    assert code == 1
    assert "question is blank" in out
    assert "Nothing was written" in out
    assert not Entry.objects.exists()


def test_markup_in_a_file_s_words_is_printed_as_it_is(file: Path) -> None:
    file.write_text("category,question,answer,status\nA,Why?,x,[bold]live[/nonsense]\n")
    assert '"[bold]live[/nonsense]"' in run(file)[1].replace("\n", "")


def test_a_file_without_rows_is_said_to_have_none(file: Path) -> None:
    file.write_text("category,question,answer\n")
    assert run(file) == (0, run(file)[1])
    assert "no rows" in run(file)[1]


@pytest.mark.skipif(not NASTY.exists(), reason="the malformed files lie beside the project, and are not here")
@pytest.mark.parametrize("name", sorted(path.name for path in NASTY.glob("*")))
def test_no_malformed_file_ends_in_a_stack_trace(name: str) -> None:
    code, out = run(NASTY / name)
    assert code in (0, 1)
    assert (code == 1) == ("Nothing was written" in out)


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".json"])
def test_what_export_entries_writes_import_entries_knows(file: Path, ending: str) -> None:
    run(file)
    target = file.with_suffix(f".out{ending}")
    out = StringIO()
    call_command("export_entries", str(target), stdout=out)
    assert "2 entries written" in out.getvalue()
    assert "holds all of this already" in run(target)[1]


@pytest.mark.parametrize(
    ("name", "said"), [("entries.pdf", "must end in .csv"), ("missing/entries.csv", "cannot be written: No such file")]
)
def test_an_export_that_cannot_be_written_says_why(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("export_entries", str(tmp_path / name))
