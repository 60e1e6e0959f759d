"""What the runs gave, as a page: `python -m tests.faults.report RUNS docs/reliability.md`."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import catalogue
from tests.faults.records import Alone, Kept, Swizzle, Told, kept
from tests.monitoring.shipped import alerts

HEAD = """# Reliability

What happens to askers and editors while things break: made by `make drill-faults` on {when}, with two cores.

"""
BESIDE = """## Each fault by itself

Three people ask, each some six times a second, in words that no cache knows. A fault begins, is noticed (by a breaker,
by the health that `/readyz` and the console show, or in the log), and lasts until every web process spares what is
broken; from then on is measured what askers have. Then it is mended, and *recovered* is when everything is used again
and no breaker is open. *Beside* is what three more have in the same seconds of another product on the same machine, of
which nothing is broken: on the text-only path, with the vector store taken out by an operator, or as always where the
fault changes no answer.

With Gemini or PostgreSQL out, answers are still found by meaning: that is a search more than the text-only path has,
here in a stand-in for Qdrant that searches in Python (some two milliseconds) on the same two cores.

"""
ALERTS = """## Who is told

A real Prometheus with the rules that are shipped, every window sixty times shorter, and a real Alertmanager: which
alert reaches people while a fault lasts, after how long, and what else reached them at any moment. Health is known for
ten seconds, whatever the windows: so with these, tickets on the share of answers are told before the cause mutes them.

"""
SWIZZLE = """## Several at once

In each run a random part of the faults begins within {spread:g} seconds, one by one, and is mended within the next
{spread:g} in another order: {faults}. Meanwhile three people ask without pause, and one saves entries in the console.
Afterwards every acknowledged edit must be in PostgreSQL, be what is answered, and be in the index without drift. A run
is had again by its seed: `make drill-faults FIRST=<seed> SEEDS=1`.

"""
ROWS = """## What shows it

Each row of the catalogue of faults that one machine can show without containers, and the tests that do.

"""
MOST_TIMES = 1.3
PAGES = {alert["alert"] for alert in alerts() if alert["labels"]["severity"] == "page"}
WITHIN = 10.0
NOTICED_WITHIN = 15.0


def page(kept: Kept) -> str:
    alone, swizzles = kept.alone, kept.swizzles
    parts = [HEAD.format(when=f"{datetime.now(UTC):%Y-%m-%d}"), _goals(kept)]
    if alone:
        parts += [BESIDE, _table(ALONE_HEAD, map(_alone, alone))]
    if kept.told:
        parts += [ALERTS, _table(("fault", "alert", "severity", "told after", "told beside it"), map(_told, kept.told))]
    if swizzles:
        faults = sorted({fault for run in swizzles for fault in run.faults})
        parts += [SWIZZLE.format(spread=swizzles[0].spread, faults=", ".join(faults)), _summary(swizzles)]
        parts.append(_table(SWIZZLE_HEAD, map(_swizzle, swizzles)))
    parts += [ROWS, _table(("row", "fault", "tests"), _rows())]
    return "".join(parts).rstrip() + "\n"


def _goals(kept: Kept) -> str:
    alone, swizzles = kept.alone, kept.swizzles
    runs: list[Alone | Swizzle] = [*alone, *swizzles]
    edits = sum(run.acknowledged for run in swizzles)
    lost = sum(len(run.lost) for run in swizzles)
    answered, unanswered = sum(run.answered for run in runs), sum(run.unanswered for run in runs)
    cut_off = sum(run.cut_off for run in runs)
    rows = [
        ("acknowledged edits lost", "0", f"{lost} of {edits:,}", lost == 0 and edits > 0),
        (
            "valid questions answered",
            "100 %",
            f"{answered:,} of {answered + unanswered:,}; {cut_off} more were cut off together with their killed worker",
            unanswered == 0 and answered > 0,
        ),
        *_measured(alone, swizzles),
    ]
    if kept.told:
        wrong = [one.fault for one in kept.told if PAGES & set(one.beside)]
        reached = f"{len(kept.told) - len(wrong)} of {len(kept.told)}"
        rows.append(("a fault has its alert told, and no other page", "always", reached, not wrong))
    said = [(what, goal, reached, "yes" if held else "**no**") for what, goal, reached, held in rows]
    return "## Goals\n\n" + _table(("what", "goal", "reached", "held"), said)


def _measured(alone: Sequence[Alone], swizzles: Sequence[Swizzle]) -> Iterator[tuple[str, str, str, bool]]:
    ratios = {one.fault: one.while_open.p95 / one.beside.p95 for one in alone if one.beside.p95}
    if ratios:
        worst = max(ratios, key=lambda fault: ratios[fault])
        reached = f"{ratios[worst]:.2f} times at most ({worst}); median {statistics.median(ratios.values()):.2f} times"
        yield "p95 once it is noticed", f"≤ {MOST_TIMES} times beside", reached, ratios[worst] <= MOST_TIMES
    recovered = {f"alone, {one.fault}": one.recovered for one in alone}
    recovered |= {f"seed {run.seed}": run.recovered for run in swizzles}
    slowest = max(recovered, key=lambda name: recovered[name])
    middle = statistics.median(recovered.values())
    reached = f"{recovered[slowest]:.1f} s at most ({slowest}); median {middle:.1f} s"
    yield "recovery, with no restart", f"≤ {WITHIN:g} s", reached, recovered[slowest] <= WITHIN
    if alone:
        last = max(alone, key=lambda one: one.noticed)
        reached = f"{last.noticed:.1f} s at most ({last.fault})"
        yield "time to detect", f"≤ {NOTICED_WITHIN:g} s", reached, last.noticed <= NOTICED_WITHIN


ALONE_HEAD = (
    *("fault", "answered", "errors", "cut off", "p50", "p95", "slowest", "p50 beside", "p95 beside"),
    *("ratio of p95", "noticed", "recovered"),
)


def _alone(one: Alone) -> Sequence[str]:
    open_, beside = one.while_open, one.beside
    compared = [_ms(beside.median), _ms(beside.p95), f"{open_.p95 / beside.p95:.2f}"] if beside.p95 else ["", "", ""]
    return [
        *(one.fault, str(one.answered), str(one.unanswered), str(one.cut_off)),
        *(_ms(open_.median), _ms(open_.p95), _ms(open_.slowest), *compared),
        *(f"{one.noticed:.1f} s by {one.noticed_by}", f"{one.recovered:.1f} s"),
    ]


def _told(one: Told) -> Sequence[str]:
    return [one.fault, one.alert, one.severity, f"{one.seconds:.0f} s", ", ".join(one.beside) or "nothing"]


SWIZZLE_HEAD = (
    *("seed", "faults", "answered", "errors", "cut off", "late", "p50", "p95", "slowest", "recovered"),
    *("edits", "refused", "lost"),
)


def _swizzle(run: Swizzle) -> Sequence[str]:
    counts = (run.answered, run.unanswered, run.cut_off, run.late)
    return [
        *(str(run.seed), ", ".join(run.faults), *map(str, counts)),
        *(_ms(run.times.median), _ms(run.times.p95), _ms(run.times.slowest), f"{run.recovered:.1f} s"),
        *(str(run.acknowledged), str(run.refused), str(len(run.lost))),
    ]


def _summary(runs: Sequence[Swizzle]) -> str:
    slowest = max(runs, key=lambda run: run.recovered)
    names = ("answered", "unanswered", "late", "cut_off", "acknowledged", "refused")
    total = {name: f"{sum(getattr(run, name) for run in runs):,}" for name in names}
    return (
        f"**{len(runs)} runs**, seeds {runs[0].seed} to {runs[-1].seed}: {total['answered']} questions answered,"
        f" {total['unanswered']} not, {total['late']} later than a busy machine explains, {total['cut_off']} cut off"
        f" together with the worker that was killed under them; {total['acknowledged']} edits acknowledged,"
        f" {sum(len(run.lost) for run in runs)} of them lost, {total['refused']} refused with an error. Everything was"
        f" used again {statistics.median(run.recovered for run in runs):.1f} s after the last fault had ended (median;"
        f" the slowest {slowest.recovered:.1f} s, seed {slowest.seed}).\n\n"
    )


def _rows() -> Iterator[Sequence[str]]:
    shown = catalogue.shown()
    for row, fault in catalogue.ROWS.items():
        yield str(row), fault, "<br>".join(f"`{test}`" for test in shown.get(row, []))


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(kept(Path(sys.argv[1]))), encoding="utf-8")
