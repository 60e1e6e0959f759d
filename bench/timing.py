"""Timing two things in turns, so that whatever else the machine does troubles both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Ratio:
    """How many times faster the first is than the second: median over the rounds, with least and most."""

    name: str
    median: float
    least: float
    most: float
    first_milliseconds: float
    second_milliseconds: float

    def __str__(self) -> str:
        spread = f"{self.least:.2f} to {self.most:.2f}"
        times = f"{self.first_milliseconds:.2f} ms : {self.second_milliseconds:.2f} ms"
        return f"{self.name:<72} {self.median:8.2f} x   ({spread};  {times})"


def side_by_side(name: str, first: Callable[[], object], second: Callable[[], object], *, each: int = 1) -> Ratio:
    """Both once unmeasured, then in turns. `each`: how many things one call does, for the milliseconds shown."""
    first(), second()
    pairs = [(_seconds(first), _seconds(second)) for _ in range(ROUNDS)]
    ratios = [b / a for a, b in pairs]
    mine, other = (statistics.median(times) * 1000 / each for times in zip(*pairs, strict=True))
    return Ratio(name, statistics.median(ratios), min(ratios), max(ratios), mine, other)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
