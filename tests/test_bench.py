"""The bench's own arithmetic: what is called reached, that no question is asked twice, and what the report says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import questions, report
from bench.row import MARK, Row, told


@pytest.mark.parametrize(
    ("kind", "reached", "met"),
    [("at least", 5.0, True), ("at least", 4.99, False), ("at most", 5.0, True), ("at most", 5.01, False)],
)
def test_a_goal_is_reached_or_missed(kind: str, reached: float, met: bool) -> None:
    row = Row("figure", reached, "1 : 2", 5.0, kind)  # type: ignore[arg-type]  # kinds by parameter
    assert row.met is met
    assert ("reached" if met else "missed") in str(row)


def test_without_a_goal_there_is_no_verdict() -> None:
    assert (Row("figure", 1.0, "").met, Row("figure", 1.0, "").verdict) == (None, "")


def test_what_a_process_tells_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("figure", 1.5, "3 : 2", 1.0, note="So it was.")
    row.tell()
    printed = capsys.readouterr().out
    assert printed.startswith(MARK)
    assert list(told(f"something else\n{printed}")) == [row]


def test_no_question_is_asked_twice_and_neighbours_differ() -> None:
    asked = questions.distinct(10_000)
    assert len(set(asked)) == 10_000
    assert len(set(asked[:200])) == len({one.strip() for one in asked[:200]}) == 200


def test_the_report_has_each_row_and_what_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "REPORT", tmp_path / "performance.md")
    report.write([Row("a figure", 0.5, "1/s : 2/s", 0.7, note="Why.")], [("memory", "OSError: no")], seconds=60)
    written = (tmp_path / "performance.md").read_text()
    assert "| a figure | ≥ 0.7 x | 0.50 x | missed | 1/s : 2/s |" in written
    assert "- **a figure.** Why." in written
    assert "- memory: OSError: no" in written
    assert report.REMARKS.read_text() in written
