"""When what breaks and when it is mended: a pure function of a seed, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Step:
    """At so many seconds from the beginning this fault begins, or ends."""

    at: float
    fault: str
    begins: bool

    def __str__(self) -> str:
        return f"{self.at:5.2f} s {self.fault} {'begins' if self.begins else 'ends'}"


def swizzle(seed: int, faults: Sequence[str], *, spread: float) -> list[Step]:
    """A random part of the faults begins one by one within `spread` seconds, and ends in another random order.

    The pattern that FoundationDB's testing page calls swizzle-clogging, and found to be the hardest.
    """
    dice = random.Random(seed)
    chosen = dice.sample(list(faults), dice.randint(1, len(faults)))
    begins = sorted(dice.uniform(0, spread) for _ in chosen)
    ends = sorted(dice.uniform(spread, 2 * spread) for _ in chosen)
    steps = [Step(at, fault, True) for at, fault in zip(begins, chosen, strict=True)]
    steps += [Step(at, fault, False) for at, fault in zip(ends, dice.sample(chosen, len(chosen)), strict=True)]
    return steps
