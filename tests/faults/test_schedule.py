"""A seed says what happens, and each fault ends after it has begun."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.schedule import swizzle

FAULTS = ["a", "b", "c", "d"]


@given(st.integers(0, 2**32))
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    assert swizzle(seed, FAULTS, spread=3) == swizzle(seed, FAULTS, spread=3)


@given(st.integers(0, 2**32))
def test_each_fault_that_begins_ends_and_in_the_order_of_time(seed: int) -> None:
    steps = swizzle(seed, FAULTS, spread=3)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    begun = [step.fault for step in steps if step.begins]
    assert begun
    assert sorted(begun) == sorted(step.fault for step in steps if not step.begins)
    assert all(step.begins for step in steps[: len(begun)])


def test_seeds_differ() -> None:
    assert len({tuple(swizzle(seed, FAULTS, spread=3)) for seed in range(50)}) == 50
