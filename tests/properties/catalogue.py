"""docs/properties.md, as a run of the proofs leaves it where PROPERTIES_REPORT names it."""

from __future__ import annotations

import datetime
import inspect
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.properties.proof import BOOTED, TAG, Proof, stated
from tests.properties.sabotages import SABOTAGES, seen

HEAD = """\
# The 46 properties

Written by `make properties`, a run of `tests/properties/` on {date}. Each test draws a hundred examples or more of
what the property speaks of and looks at what the product does. Where a whole start of the product is too slow for a
hundred examples, they go to its own code in a light layer, and real starts confirm it: those counted are within the
examples, those named are other tests. `make sabotage` breaks the product in one place for each property, and its test
must notice by the property itself; what is told of it is from when it was last tried.

The tag in a test is `Feature: production-deployment, Property N: title`; the sentence of the property stands below it.
"""


@dataclass(frozen=True)
class Row:
    number: int
    name: str
    proof: Proof
    outcome: str


rows: dict[str, Row] = {}


def tagged(test: object) -> int | None:
    found = TAG.search(inspect.getdoc(test) or "")
    return int(found[1]) if found else None


def note(item: pytest.Item, proof: Proof, outcome: str) -> None:
    number = tagged(getattr(item, "obj", None))
    if number is not None:
        rows[item.nodeid] = Row(number, item.nodeid.partition("[")[0], proof, outcome)


def write() -> None:
    report = os.environ.get("PROPERTIES_REPORT")
    if report and rows:
        Path(report).write_text(text(), encoding="utf-8")


def text() -> str:
    by_number = {row.number: row for row in rows.values()}
    parts = [HEAD.format(date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"))]
    passed = sum(row.outcome == "passed" for row in by_number.values())
    examples = sum(row.proof.examples for row in by_number.values())
    parts.append(f"**{passed} of {len(stated())} passed**, with {examples:,} examples.\n")
    for one in stated():
        parts.append(f"## {one.number}. {one.title}\n{one.sentence}\n")
        parts.append(_facts(by_number.get(one.number)))
    return "\n".join(parts)


def _facts(row: Row | None) -> str:
    if row is None:
        return "- last result: **not run**\n"
    file, _, name = row.name.partition("::")
    lines = [
        f"- test: `{name.replace('::', '.')}` in `{file}`",
        f"- layer: {row.proof.layer}",
        f"- examples: {row.proof.examples}",
        f"- real starts: {_starts(row)}",
        *([f"- reading chosen: {row.proof.reading}"] if row.proof.reading else []),
        f"- sabotage: {_sabotage(row.number)}",
        f"- last result: {row.outcome}",
    ]
    return "\n".join(lines) + "\n"


def _starts(row: Row) -> str:
    counted = [f"{BOOTED[row.number]} in these examples"] if BOOTED[row.number] else []
    return "; ".join([*counted, row.proof.boots or "the layer is the real thing"])


def _sabotage(number: int) -> str:
    """What it is, and what came of it."""
    if number not in SABOTAGES:
        return "**none**"
    one, last = SABOTAGES[number], seen().get(number)
    if last is None or last.mark != one.mark:
        return f"{one.what}: **not tried yet**"
    return f"{one.what}: {last.verdict} on {last.date}, in {last.seconds:g} s"
