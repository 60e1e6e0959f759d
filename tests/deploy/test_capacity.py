"""How many workers a container gets, by its cgroup of either version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.start import capacity
from console.start.capacity import FEWEST, MASTER_BYTES, MIB, MOST, WORKER_BYTES


def cgroup(root: Path, version: int, *, quota: int | None, period: int = 100_000, memory: int | None) -> Path:
    """Files as the kernel writes them: None is no limit."""
    root.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (root / "cpu.max").write_text(f"{'max' if quota is None else quota} {period}\n")
        (root / "memory.max").write_text(f"{'max' if memory is None else memory}\n")
        return root
    for folder in ("cpu", "memory"):
        (root / folder).mkdir(exist_ok=True)
    (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{-1 if quota is None else quota}\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    limit = 9_223_372_036_854_771_712 if memory is None else memory
    (root / "memory" / "memory.limit_in_bytes").write_text(f"{limit}\n")
    return root


@pytest.fixture
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("quota", "memory", "expected"),
    [
        (None, None, 12),  # eight processors
        (50_000, None, 3),  # half a processor counts as one
        (150_000, None, 5),
        (400_000, None, 9),
        (100_000, 256 * MIB, 2),  # never fewer than two
        (400_000, 1024 * MIB, 3),
        (None, 2048 * MIB, 7),
    ],
)
def test_workers_by_processors_and_memory(
    tmp_path: Path, eight_processors: None, version: int, quota: int | None, memory: int | None, expected: int
) -> None:
    """Feature: production-deployment, Property 31: Gunicorn Multi-Worker Configuration"""
    assert capacity.workers(cgroup(tmp_path, version, quota=quota, memory=memory)) == expected


def test_without_any_cgroup_the_machine_counts(tmp_path: Path, eight_processors: None) -> None:
    assert capacity.processors(tmp_path) == 8
    assert capacity.memory_bytes(tmp_path) is None


@pytest.mark.parametrize("broken", ["", "rubbish", "0 0", "100 0", "-5 100"])
def test_a_file_that_says_nothing_sensible_is_no_limit(tmp_path: Path, eight_processors: None, broken: str) -> None:
    (tmp_path / "cpu.max").write_text(broken)
    (tmp_path / "memory.max").write_text(broken)
    assert capacity.processors(tmp_path) == 8


@given(
    version=st.sampled_from([1, 2]),
    quota=st.none() | st.integers(1_000, 6_400_000),
    period=st.integers(1_000, 1_000_000),
    memory=st.none() | st.integers(4 * MIB, 64 * 1024 * MIB),
)
def test_property_31_always_at_least_two_and_within_the_memory(
    tmp_path_factory: pytest.TempPathFactory, version: int, quota: int | None, period: int, memory: int | None
) -> None:
    """Feature: production-deployment, Property 31: Gunicorn Multi-Worker Configuration"""
    root = cgroup(tmp_path_factory.mktemp("cgroup"), version, quota=quota, period=period, memory=memory)
    count = capacity.workers(root)
    assert FEWEST <= count <= MOST
    assert count <= max(FEWEST, 2 * capacity.processors(root) + 1)
    if memory is not None and count > FEWEST:
        assert MASTER_BYTES + count * WORKER_BYTES <= memory
