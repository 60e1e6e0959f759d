"""What a run of labelled questions gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from rag.models import Case as StoredCase
from rag.quality.suite import Case, Reply, SuiteError, measure, read_cases

CASES = [
    Case("first", frozenset({"a"})),
    Case("second", frozenset({"b", "c"})),
    Case("third", frozenset({"d"})),
    Case("never", frozenset(), "far"),
    Case("nearly", frozenset(), "near"),
]
REPLIES = {
    "first": Reply(("a", "x"), answered=True),
    "second": Reply(("x", "c"), answered=True),
    "third": Reply(("x", "y"), answered=False),
    "never": Reply(("x",), answered=False),
    "nearly": Reply(("x",), answered=True),
}


def test_figures_are_those_counted_by_hand() -> None:
    assert measure(CASES, REPLIES.__getitem__) == pytest.approx(
        {
            "hit@1": 1 / 3,
            "hit@3": 2 / 3,
            "hit@5": 2 / 3,
            "mrr@10": (1 + 1 / 2) / 3,
            "answered_rate": 2 / 3,
            "answered_precision_in_scope": 1 / 2,
            "oos_rejection": 1 / 2,
            "oos_rejection_far": 1.0,
            "oos_rejection_near": 0.0,
        }
    )


def test_a_file_is_read_with_or_without_labels(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("query,relevant_ids,kind\nhow,a b,\nwhat,,far\n")
    assert read_cases(file) == [Case("how", frozenset({"a", "b"})), Case("what", frozenset(), "far")]


@pytest.mark.django_db
def test_the_stored_suite_is_run_when_no_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="The stored suite is empty"):
        call_command("run_suite")
    StoredCase.objects.create(question="who won the cup?")
    call_command("run_suite")
    assert "1 questions\noos_rejection " in capsys.readouterr().out


def test_a_file_without_questions_says_which_column_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("text,label\nhow,a\n")
    with pytest.raises(SuiteError, match="no column query"):
        read_cases(file)
