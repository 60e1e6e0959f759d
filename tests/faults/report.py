"""What the runs gave, as a page: `docs/reliability.md`."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.crowd import Asked, Editor
from tests.faults.schedule import Step

HEAD = """# Reliability

What happens to askers and editors while things break: made by `make drill-faults`, on {when}, with two cores.

In each run a random part of these faults begins within three seconds, one by one, and is mended within the next three
in another order: {faults}. Meanwhile three people ask without pause, in words that no cache knows, and one saves
entries in the console. Afterwards every acknowledged edit must be in PostgreSQL, be what is answered, and be in the
index without drift. A run is had again by its seed: `make drill-faults FIRST=<seed> SEEDS=1`.

"""


@dataclass(frozen=True)
class Run:
    seed: int
    faults: tuple[str, ...]
    answered: int
    unanswered: int
    median: float
    p95: float
    slowest: float
    recovered: float
    acknowledged: int
    refused: int


@dataclass
class Report:
    runs: list[Run] = field(default_factory=list)

    def add(self, seed: int, steps: list[Step], asked: list[Asked], recovered: float, editor: Editor) -> None:
        seconds = sorted(one.seconds for one in asked) or [0.0]
        self.runs.append(
            Run(
                seed,
                tuple(step.fault for step in steps if step.begins),
                sum(one.status == 200 for one in asked),
                sum(one.status != 200 for one in asked),
                statistics.median(seconds),
                seconds[int(0.95 * (len(seconds) - 1))],
                seconds[-1],
                recovered,
                sum(editor.acknowledged.values()),
                editor.refused,
            )
        )

    def write(self, path: Path) -> None:
        """With a summary over all runs, and a row for each."""
        faults = sorted({fault for run in self.runs for fault in run.faults})
        when = f"{datetime.now(UTC):%Y-%m-%d}"
        path.write_text(HEAD.format(when=when, faults=", ".join(faults)) + self._summary() + self._rows())

    def _summary(self) -> str:
        slowest = max(self.runs, key=lambda run: run.recovered)
        return (
            f"**{len(self.runs)} runs**: {sum(run.answered for run in self.runs):,} questions answered,"
            f" {sum(run.unanswered for run in self.runs)} cut off together with the worker that was killed under them;"
            f" {sum(run.acknowledged for run in self.runs):,} edits acknowledged, none of them lost,"
            f" {sum(run.refused for run in self.runs)} refused with an error. Everything was used again"
            f" {statistics.median(run.recovered for run in self.runs):.1f} s after the last fault had ended (median;"
            f" the slowest {slowest.recovered:.1f} s, seed {slowest.seed}).\n\n"
        )

    def _rows(self) -> str:
        head = "| seed | faults | answered | cut off | median | p95 | slowest | recovered | edits | refused |\n"
        rows = []
        for run in self.runs:
            times = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in (run.median, run.p95, run.slowest))
            counts = f"{run.answered} | {run.unanswered}"
            edits = f"{run.acknowledged} | {run.refused}"
            rows.append(
                f"| {run.seed} | {', '.join(run.faults)} | {counts} | {times} | {run.recovered:.1f} s | {edits} |\n"
            )
        return head + "|---|---|---|---|---|---|---|---|---|---|\n" + "".join(rows)
