"""Slots: handed on and never shared; begun in an empty directory, gone with the master."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import values

from monitoring import slots


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(slots.DIRECTORY, str(tmp_path))
    monkeypatch.setattr(slots, "_taken", {slots.MASTER})
    monkeypatch.setattr(slots, "_mine", slots.MASTER)
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    yield tmp_path


def test_each_living_worker_has_one_of_its_own() -> None:
    assert [slots.take() for _ in range(4)] == [1, 2, 3, 4]


def test_one_that_is_given_back_is_the_next_to_be_taken() -> None:
    for _ in range(3):
        slots.take()
    slots.give_back(2)
    assert [slots.take(), slots.take()] == [2, 4]


def test_over_a_thousand_recycles_the_files_stay_as_many(directory: Path) -> None:
    slots.begin()
    held = [slots.take() for _ in range(4)]
    files = len(list(directory.iterdir()))
    for turn in range(1_000):
        slots.give_back(held.pop(turn % 4))
        held.insert(turn % 4, slots.take())
    assert len(list(directory.iterdir())) == files == 5 * len(slots.RESERVED)


def test_counts_stay_and_what_a_worker_was_at_goes(directory: Path) -> None:
    slots.begin()
    slot = slots.take()
    slots.give_back(slot)
    assert {path.name for path in directory.glob(f"*_{slot}.db")} == {f"counter_{slot}.db", f"histogram_{slot}.db"}


def test_a_start_finds_nothing_of_the_start_before(directory: Path) -> None:
    (directory / "counter_7.db").write_bytes(b"old")
    (directory / "notes.txt").write_text("not ours")
    slots.begin()
    assert not (directory / "counter_7.db").exists()
    assert (directory / "notes.txt").exists()


def test_a_directory_of_its_own_is_gone_at_the_end_and_so_are_those_of_the_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(slots.DIRECTORY)
    monkeypatch.setattr(slots, "MEMORY", tmp_path)
    killed = tmp_path / f"{slots.PREFIX}999999999"
    killed.mkdir()
    mine = slots.begin()
    assert (mine.name, killed.exists()) == (f"{slots.PREFIX}{os.getpid()}", False)
    slots.end()
    assert not mine.exists()
    monkeypatch.delenv(slots.DIRECTORY)


def test_full_memory_costs_the_reserve_and_not_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    slots.begin()
    assert slots.take() == 1
    assert "no room reserved for metrics: OSError" in caplog.text


def test_a_file_is_never_seen_before_it_is_whole(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape that came between its birth and its first page would fail, as there is nothing to read."""
    real, seen = os.posix_fallocate, list[int]()

    def look_first(*given: int) -> None:
        seen.extend(path.stat().st_size for path in directory.glob("*.db"))
        real(*given)

    monkeypatch.setattr(os, "posix_fallocate", look_first)
    slots.begin()
    slots.give_back(slots.take())
    slots.take()
    assert seen
    assert 0 not in seen
