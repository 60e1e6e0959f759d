"""A row of the table: a figure, its goal, and what was reached."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

MARK = "ROW "  # a bench in a process of its own prints its rows so


@dataclass(frozen=True)
class Row:
    """`at_least` or `at_most` the goal; none where the row is only there to be compared with."""

    figure: str
    reached: float
    sides: str  # both figures that the ratio was made of
    goal: float | None = None
    kind: Literal["at least", "at most"] = "at least"
    unit: str = "x"
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.reached >= self.goal if self.kind == "at least" else self.reached <= self.goal

    @property
    def goal_in_words(self) -> str:
        return "" if self.goal is None else f"{'≥' if self.kind == 'at least' else '≤'} {self.goal:g} {self.unit}"

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "missed", None: ""}[self.met]

    def __str__(self) -> str:
        reached = f"{self.reached:9.2f} {self.unit}"
        return f"{self.figure:<88}{reached:<14}{self.goal_in_words:<10}{self.verdict:<9}{self.sides}"

    def tell(self) -> None:
        """To the bench that started this process, and to whoever reads along."""
        print(MARK + json.dumps(asdict(self)), flush=True)
        print(self, file=sys.stderr, flush=True)


def told(printed: str) -> Iterator[Row]:
    for line in printed.splitlines():
        if line.startswith(MARK):
            yield Row(**json.loads(line.removeprefix(MARK)))
