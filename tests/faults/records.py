"""What runs gave, kept line by line as they end: several processes write, and `report.py` makes a page of it."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.crowd import Asked

FOLDER = os.environ.get("DRILL_RUNS", "")


@dataclass(frozen=True)
class Times:
    """Of the answers to so many questions, in seconds."""

    questions: int
    median: float
    p95: float
    slowest: float


@dataclass(frozen=True)
class Swizzle:
    """One run of a random part of the faults."""

    seed: int
    spread: float
    faults: tuple[str, ...]
    answered: int
    cut_off: int
    unanswered: int
    late: int
    times: Times
    recovered: float
    acknowledged: int
    refused: int
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Alone:
    """One fault by itself. `while_open`: once every process spared what was broken; `beside`: in the same
    seconds, by another product on the text-only path, or as always where answers stay what they are.
    """

    fault: str
    answered: int
    cut_off: int
    unanswered: int
    while_open: Times
    beside: Times
    noticed: float
    noticed_by: str
    recovered: float


@dataclass(frozen=True)
class Told:
    """The alert that a fault has told, and what was told beside it."""

    fault: str
    alert: str
    severity: str
    seconds: float
    beside: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    alone: list[Alone]
    told: list[Told]
    swizzles: list[Swizzle]


def times(asked: Sequence[Asked]) -> Times:
    seconds = sorted(one.seconds for one in asked) or [0.0]
    return Times(len(asked), statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))], seconds[-1])


def keep(record: Swizzle | Alone | Told) -> None:
    """Nothing where nobody wants a report."""
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        line = json.dumps({"kind": type(record).__name__} | asdict(record))
        with (Path(FOLDER) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def kept(folder: Path) -> Kept:
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text(encoding="utf-8").splitlines()]
    found = Kept([], [], [])
    for row in map(json.loads, lines):
        kind = row.pop("kind")
        row |= {name: tuple(row[name]) for name in ("faults", "lost") if name in row}
        if kind == "Alone":
            measured = {name: Times(**row[name]) for name in ("while_open", "beside")}
            found.alone.append(Alone(**row | measured))
        elif kind == "Told":
            found.told.append(Told(**row | {"beside": tuple(row["beside"])}))
        else:
            found.swizzles.append(Swizzle(**row | {"times": Times(**row["times"])}))
    found.swizzles.sort(key=lambda one: one.seed)
    return found
