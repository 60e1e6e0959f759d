"""Importing: what is counted, what is written, what is left alone, and who hears of it."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from faq import versions
from faq.models import Category, Entry
from faq.signals import entries_changed
from faq.transfer import ImportReport, import_file, importing
from faq.transfer.writing import set_status

pytestmark = pytest.mark.django_db
Imported = Callable[..., ImportReport]


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    """Import rows given as dictionaries; their keys are the columns."""

    def write_and_import(*rows: dict[str, Any], **options: Any) -> ImportReport:
        text = StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
        file = tmp_path / "entries.csv"
        file.write_text(text.getvalue(), encoding="utf-8", newline="")
        return import_file(file, **options)

    return write_and_import


def row(question: str = "Why?", **cells: str) -> dict[str, str]:
    return {"category": "A", "question": question, "answer": "Because"} | cells


def counts(report: ImportReport) -> tuple[int, int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.duplicate, report.refused_count


def stored(question: str = "Why?", **values: Any) -> Entry:
    category, _ = Category.objects.get_or_create(name="A")
    return Entry.objects.create(**{"question": question, "answer": "Because", "category": category} | values)


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """Who was said to have changed, each time that it was said."""
    senders: list[Any] = []

    def listen(sender: Any, **_: Any) -> None:
        senders.append(sender)

    entries_changed.connect(listen)
    yield senders
    entries_changed.disconnect(listen)


# Counting and writing


def test_a_file_is_counted_row_by_row_and_written(imported: Imported) -> None:
    stored("Same?", external_id="same")
    stored("Other?", external_id="other")
    report = imported(
        row("Same?", external_id="same"),
        row("Other now?", external_id="other"),
        row("New?", external_id="new"),
        row("new ?", external_id="newer"),
        row(" NEW?", external_id="newest"),
    )
    assert counts(report) == (2, 1, 1, 1, 0)
    assert report.written
    assert set(Entry.objects.values_list("external_id", "question")) == {
        ("same", "Same?"),
        ("other", "Other now?"),
        ("new", "New?"),
        ("newer", "new ?"),
    }


def test_a_dry_run_counts_the_same_and_writes_nothing(imported: Imported) -> None:
    report = imported(row(), row("How?"), dry_run=True)
    assert counts(report) == (2, 0, 0, 0, 0)
    assert report.new_categories == ["A"]
    assert not report.written
    assert not Entry.objects.exists()
    assert not Category.objects.exists()


def test_one_refused_row_keeps_everything_out(imported: Imported) -> None:
    report = imported(*(row(f"Question {n}?") for n in range(1_500)), row(""))
    assert counts(report) == (1_500, 0, 0, 0, 1)
    assert not report.written
    assert not Entry.objects.exists()


def test_what_fails_while_writing_leaves_nothing_behind(imported: Imported, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that somebody adds between the two passes: the second batch meets its external ID."""
    write = importing._write

    def late(*args: Any) -> None:
        stored("Meanwhile?", external_id="row-1200")
        write(*args)

    monkeypatch.setattr(importing, "_write", late)
    report = imported(*(row(f"Question {n}?", external_id=f"row-{n}") for n in range(1_500)))
    assert not report.written
    assert "Somebody changed the same entries meanwhile" in report.refused[0].reason
    assert list(Entry.objects.values_list("question", flat=True)) == ["Meanwhile?"]


def test_a_file_that_changes_between_the_passes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "entries.csv"
    file.write_text("category,question,answer\nA,Why?,Because\n")

    def grow(phase: str, rows: int, fraction: float) -> None:
        file.write_text("category,question,answer\nA,Why?,Because\nA,How?,So\n")

    report = import_file(file, progress=grow)
    assert "was changed while it was read" in report.refused[0].reason
    assert not Entry.objects.exists()


def test_files_of_several_batches_are_written_whole(imported: Imported) -> None:
    rows = [row(f"Question {n}?", external_id=str(n)) for n in range(2_345)]
    assert counts(imported(*rows)) == (2_345, 0, 0, 0, 0)
    for changed in (rows[0], rows[1_000], rows[2_344]):
        changed["answer"] = "Changed"
    assert counts(imported(*rows)) == (0, 3, 2_342, 0, 0)
    assert set(Entry.objects.filter(answer="Changed").values_list("external_id", flat=True)) == {"0", "1000", "2344"}


def test_progress_is_told_for_both_passes(imported: Imported) -> None:
    told: list[tuple[str, int, float]] = []
    imported(*(row(f"Question {n}?") for n in range(1_200)), progress=lambda *step: told.append(step))
    assert [(phase, rows) for phase, rows, _ in told] == [
        ("check", 1_000),
        ("check", 1_200),
        ("write", 1_000),
        ("write", 1_200),
    ]
    assert all(0 < fraction <= 1 for _, _, fraction in told)
    assert told[1][2] == told[3][2] == 1.0


# Identity


def test_the_same_file_twice_changes_nothing(imported: Imported) -> None:
    rows = [row("Where are you?"), row("CAFÉ or cafe\u0301?"), row("How?", external_id="how")]
    assert counts(imported(*rows)) == (3, 0, 0, 0, 0)
    before = list(Entry.objects.order_by("pk").values_list("external_id", "updated_at"))
    version = versions.current()
    assert counts(imported(*rows)) == (0, 0, 3, 0, 0)
    assert list(Entry.objects.order_by("pk").values_list("external_id", "updated_at")) == before
    assert Entry.history.count() == 3
    assert versions.current() == version


def test_a_row_without_an_external_id_is_the_entry_that_asks_the_same(imported: Imported) -> None:
    entry = stored("Where  Are You?", external_id="made-in-the-console")
    assert counts(imported(row("where are you?", answer="Here"))) == (0, 1, 0, 0, 0)
    entry.refresh_from_db()
    assert (entry.external_id, entry.question, entry.answer) == ("made-in-the-console", "where are you?", "Here")


def test_a_question_that_another_entry_asks_is_left_out(imported: Imported) -> None:
    stored("Why?", external_id="first")
    report = imported(row("WHY?", external_id="second"), row("How?", external_id="third"))
    assert counts(report) == (1, 0, 0, 1, 0)
    assert report.duplicates[0].reason == "The same question as the entry first: this row is left out."
    assert report.duplicates[0].line == 2
    assert set(Entry.objects.values_list("external_id", flat=True)) == {"first", "third"}


def test_two_entries_may_swap_their_questions(imported: Imported) -> None:
    stored("Why?", external_id="a")
    stored("How?", external_id="b")
    report = imported(row("How?", external_id="a"), row("Why?", external_id="b"))
    assert counts(report) == (0, 2, 0, 0, 0)
    assert dict(Entry.objects.values_list("external_id", "question")) == {"a": "How?", "b": "Why?"}


def test_old_twins_in_the_database_come_through_unchanged(imported: Imported) -> None:
    stored("Why?", external_id="a")
    stored("Why?", external_id="b")
    assert counts(imported(row(external_id="a"), row(external_id="b"))) == (0, 0, 2, 0, 0)


def test_the_first_of_equal_external_ids_wins_and_both_lines_are_named(imported: Imported) -> None:
    report = imported(row("Why?", external_id="x"), row("How?", external_id="x"))
    assert counts(report) == (1, 0, 0, 1, 0)
    assert (report.duplicates[0].line, report.duplicates[0].first_line) == (3, 2)
    assert "same external_id as line 2" in report.duplicates[0].reason


# What is kept


def test_without_a_status_new_entries_are_drafts_and_known_ones_keep_theirs(imported: Imported) -> None:
    stored("Known?", external_id="known", status=Entry.Status.PUBLISHED)
    imported(row("Known?", external_id="known", answer="Changed"), row("New?"))
    assert dict(Entry.objects.values_list("question", "status")) == {"Known?": "published", "New?": "draft"}


def test_publishing_respects_the_status_that_the_file_names(imported: Imported) -> None:
    imported(row("Draft?", status="Draft"), row("Old?", status="archived"), row("Unsaid?", status=""), publish=True)
    assert dict(Entry.objects.values_list("question", "status")) == {
        "Draft?": "draft",
        "Old?": "archived",
        "Unsaid?": "published",
    }


def test_columns_that_the_file_lacks_are_left_alone_and_blank_ones_are_emptied(imported: Imported) -> None:
    full = row(variants="How come? | What for?", tags="a, b", language="pt-br", review_date="2027-03-31")
    imported(full)
    imported(row(answer="New"))
    entry = Entry.objects.get()
    assert (entry.variants, entry.tags, entry.language) == (["How come?", "What for?"], ["a", "b"], "pt-BR")
    imported(row(variants="", tags="", language="", review_date=""))
    entry.refresh_from_db()
    assert (entry.variants, entry.tags, entry.language, entry.review_date) == ([], [], "pt-BR", None)


def test_text_is_composed_trimmed_and_otherwise_kept(imported: Imported) -> None:
    answer = "  <b>Ou\u0300</b>\r\n\r\n=1+1; DROP TABLE \u200b "
    imported(row(" Line one\n  line two? ", answer=answer, category=" A  B "))
    entry = Entry.objects.get()
    assert entry.question == "Line one line two?"
    assert entry.answer == "<b>Où</b>\n\n=1+1; DROP TABLE \u200b"
    assert entry.category.name == "A B"


def test_other_columns_are_named_and_ignored(imported: Imported) -> None:
    assert imported(row(source="x", Licence="y")).ignored_columns == ["source", "licence"]


# Who hears of it


def test_history_says_who_and_from_which_file(imported: Imported) -> None:
    user = User.objects.create(username="ed")
    stored("Known?", external_id="known")
    imported(row("Known?", external_id="known", answer="Changed"), row("New?"), user=user)
    records = Entry.history.filter(history_user=user)
    assert set(records.values_list("question", "history_type", "history_change_reason")) == {
        ("Known?", "~", "import entries.csv"),
        ("New?", "+", "import entries.csv"),
    }


def test_a_change_is_announced_once_and_moves_the_version_and_the_time(imported: Imported, heard: list[Any]) -> None:
    entry = stored("Known?", external_id="known")
    version = versions.current()
    imported(row("Known?", external_id="known", answer="Changed"), row("New?"))
    assert heard == [Entry]
    assert versions.current() > version
    assert Entry.objects.get(pk=entry.pk).updated_at > entry.updated_at
    imported(row("Known?", external_id="known", answer="Changed"), row("New?"))
    assert heard == [Entry]


def test_setting_the_status_of_many_touches_only_those_that_differ(heard: list[Any]) -> None:
    user = User.objects.create_superuser("ed")
    entries = [stored(f"{status}?", status=status) for status in Entry.Status.values]
    pks = [entry.pk for entry in entries]
    others = {entry.external_id for entry in entries if entry.status != "published"}
    assert set(set_status(pks, "published", user=user, reason="Published in the console").changed) == others
    assert set_status(pks, "published", user=user, reason="again").changed == []
    assert heard == [Entry]
    assert Entry.objects.published().count() == 3
    assert Entry.history.filter(history_user=user).count() == 2


# Memory


def test_checking_holds_a_batch_not_the_file(tmp_path: Path) -> None:
    """16 MB of rows; several times as much if they were held."""
    file = tmp_path / "entries.csv"
    with file.open("w") as target:
        target.write("category,question,answer\n")
        target.writelines(f"A,Question number {n}?,{'an answer ' * 200}\n" for n in range(8_000))
    import_file(file, dry_run=True)
    tracemalloc.start()
    try:
        assert import_file(file, dry_run=True).new == 8_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
