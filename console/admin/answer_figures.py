"""The dashboard's figures of answers: this window and the one before, rungs, fallbacks, and the chart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from rag.quality import tallies
from rag.quality.tallies import Answers, Hour, Totals

RUNGS = ("exact", "generated", "verbatim", "text_search", "suggestions")
ENOUGH = 20  # of fewer no percentage is told
WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
TITLES = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days"}
COLUMN_HOURS = {"1h": 1, "24h": 1, "7d": 6}  # of the chart
CHARTED = {"1h": timedelta(hours=6), "24h": timedelta(hours=24), "7d": timedelta(days=7)}


@dataclass(frozen=True)
class Share:
    """Some of all: as a percentage where there are enough of them."""

    part: int
    whole: int

    @property
    def enough(self) -> bool:
        return self.whole >= ENOUGH

    def __str__(self) -> str:
        if not self.whole:
            return "none"
        if not self.enough:
            return f"{self.part} of {self.whole}"
        return f"{self.part / self.whole:.1%}"


@dataclass(frozen=True)
class Figure:
    """A number of this window beside that of the window before."""

    title: str
    now: int
    before: int
    whole: int | None = None
    whole_before: int | None = None
    query: dict[str, str] = field(default_factory=dict)  # which receipts it counts
    more_is: str = ""  # "better", "worse", or neither

    @property
    def share(self) -> str:
        return "" if self.whole is None else str(Share(self.now, self.whole))

    @property
    def share_before(self) -> str:
        return "" if self.whole_before is None else str(Share(self.before, self.whole_before))

    @property
    def change(self) -> str:
        if self.now == self.before:
            return "as many as before"
        return f"{abs(self.now - self.before):,} {'more' if self.now > self.before else 'fewer'} than before"

    @property
    def look(self) -> str:
        if self.now == self.before or not self.more_is:
            return ""
        return "sf-good" if (self.now > self.before) == (self.more_is == "better") else "sf-poor"


def figures(window: str) -> dict[str, Any]:
    """Everything about answers, by a number of queries that does not depend on how many there were."""
    now = timezone.now()
    this, former = tallies.with_window_before(WINDOWS[window], now)
    by_window = {name: tallies.answers(now - span, now) for name, span in WINDOWS.items()}
    hours = tallies.hourly(now - CHARTED[window], now)
    return {
        "window": window,
        "window_title": TITLES[window],
        "windows": TITLES,
        "since": now - WINDOWS[window],
        "until": now,
        "tiles_of_answers": [(one, log(now - WINDOWS[window], now, **one.query)) for one in _tiles(this, former)],
        "rungs": [_rung(rung, by_window, now) for rung in RUNGS],
        "fallbacks": _fallbacks(by_window, now),
        "counted": {name: _all(rows) for name, rows in by_window.items()},
        "columns": columns(hours, COLUMN_HOURS[window]),
        "charted": TITLES.get(window) if window != "1h" else "6 hours",
    }


def _tiles(this: Totals, former: Totals) -> list[Figure]:
    whole = {"whole": this.answers, "whole_before": former.answers}
    votes = {"whole": this.up + this.down, "whole_before": former.up + former.down}
    return [
        Figure("Answers", this.answers, former.answers),
        Figure("Degraded", this.degraded, former.degraded, query={"degraded": "1"}, more_is="worse", **whole),
        Figure("Misses", this.misses, former.misses, query={"miss": "1"}, more_is="worse", **whole),
        Figure("Helpful votes", this.up, former.up, query={"vote": "up"}, more_is="better", **votes),
        Figure("Unhelpful votes", this.down, former.down, query={"vote": "down"}, more_is="worse", **votes),
    ]


def log(since: datetime, until: datetime, **query: str) -> str:
    """The address of the answers that a number counts."""
    moments = {"since": since.isoformat(), "until": until.isoformat()}
    return f"{reverse('admin:rag_receipt_changelist')}?{urlencode(query | moments)}"


def _rung(rung: str, by_window: dict[str, list[Answers]], now: datetime) -> dict[str, Any]:
    shares = []
    for name, rows in by_window.items():
        n = sum(row.n for row in rows if row.rung == rung and not row.stage)
        shares.append((n, Share(n, _all(rows)), log(now - WINDOWS[name], now, rung=rung)))
    return {"name": rung, "title": rung.replace("_", " "), "shares": shares}


def _fallbacks(by_window: dict[str, list[Answers]], now: datetime) -> list[dict[str, Any]]:
    """Every stage and reason of the longest window, the most frequent first."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for name, rows in by_window.items():
        for row in rows:
            if row.stage:
                found = counts.setdefault((row.stage, row.reason), dict.fromkeys(WINDOWS, 0))
                found[name] += row.n
    ordered = sorted(counts.items(), key=lambda one: (-one[1]["7d"], one[0]))
    wholes = {name: _all(rows) for name, rows in by_window.items()}
    return [
        {
            "stage": stage,
            "reason": reason,
            "shares": [
                (n, Share(n, wholes[name]), log(now - WINDOWS[name], now, stage=stage, reason=reason))
                for name, n in found.items()
            ],
        }
        for (stage, reason), found in ordered
    ]


def _all(rows: list[Answers]) -> int:
    return sum(row.n for row in rows if not row.stage)


@dataclass(frozen=True)
class Column:
    """One column of the chart, in the units of its drawing; and its numbers, for the table beneath."""

    begins: datetime
    counts: list[int]
    total: int
    degraded: int
    x: float
    width: float
    parts: list[tuple[str, float, float]]  # rung, y, height
    label: str

    @property
    def percent(self) -> float:
        """Where it begins, of the chart's width."""
        return self.x / CHART_WIDTH * 100


CHART_WIDTH, CHART_HEIGHT = 720.0, 160.0


def columns(hours: list[Hour], each: int) -> list[Column]:
    """So many hours to a column, the newest whole; the tallest column fills the height."""
    groups = [hours[max(0, end - each) : end] for end in range(len(hours), 0, -each)][::-1]
    counted = [[sum(hour.rungs.get(rung, 0) for hour in group) for rung in RUNGS] for group in groups]
    tallest = max((sum(counts) for counts in counted), default=0) or 1
    step = CHART_WIDTH / max(len(groups), 1)
    every = max(1, len(groups) // 6)
    return [
        Column(
            begins=group[0].hour,
            counts=counts,
            total=sum(counts),
            degraded=sum(hour.totals.degraded for hour in group),
            x=round(number * step + step * 0.12, 1),
            width=round(step * 0.76, 1),
            parts=_stacked(counts, tallest),
            label=group[0].hour.strftime("%d %b" if each > 1 else "%H:%M") if number % every == 0 else "",
        )
        for number, (group, counts) in enumerate(zip(groups, counted, strict=True))
    ]


def _stacked(counts: list[int], tallest: int) -> list[tuple[str, float, float]]:
    top, parts = CHART_HEIGHT, []
    for rung, count in zip(RUNGS, counts, strict=True):
        height = CHART_HEIGHT * count / tallest
        top -= height
        if count:
            parts.append((rung, round(top, 1), round(height, 1)))
    return parts
