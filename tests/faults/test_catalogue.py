"""No fault of the catalogue is without a test that shows what becomes of it."""

from __future__ import annotations

from tests.faults import catalogue


def test_each_row_has_a_test() -> None:
    assert sorted(set(catalogue.ROWS) - set(catalogue.shown())) == []


def test_each_mark_names_a_row() -> None:
    assert sorted(set(catalogue.shown()) - set(catalogue.ROWS)) == []
