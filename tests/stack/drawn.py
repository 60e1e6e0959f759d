"""A dashboard of Grafana drawn without Grafana: its JSON, its queries at a real Prometheus, a page of HTML and SVG.

Only to be looked at: lines, numbers, bars and a legend stand where Grafana would put them, in Grafana's grid of 24
columns. A panel without data says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from tests.stack.prometheus import Prometheus, filled_in

COLOURS = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300")
ROW = 38  # pixels of one unit of Grafana's grid
STYLE = f"""
body {{ margin: 0; padding: 12px; background: #111217; color: #ccccdc; font: 13px/1.3 sans-serif; width: 1376px }}
h1 {{ font-size: 18px; margin: 0 0 4px }} p {{ margin: 0 0 12px; color: #9fa2a8 }}
main {{ display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: {ROW}px; gap: 8px }}
section {{ background: #181b1f; border: 1px solid #2c3235; border-radius: 3px; padding: 8px; overflow: hidden;
  display: flex; flex-direction: column }}
h2 {{ font-size: 13px; margin: 0 0 6px }} svg {{ flex: 1; min-height: 0; width: 100% }}
.values {{ flex: 1; display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; justify-content: center;
  overflow: hidden }}
.values b {{ font-size: 24px; display: block; color: #73bf69 }} .values span {{ color: #9fa2a8; font-size: 11px }}
.bar {{ display: flex; gap: 8px; margin: 3px 0 }} .bar span {{ width: 40% }} .bar i {{ background: #1f78c1;
  height: 14px; min-width: 2px }}
.legend {{ font-size: 11px; max-height: 32px; overflow: hidden }} .legend span {{ margin-right: 10px }}
.none {{ color: #ff7383; margin: auto }}
"""


@dataclass(frozen=True)
class Line:
    name: str
    points: list[tuple[float, float]]  # seconds since 1970, value

    @property
    def last(self) -> float:
        return self.points[-1][1]


def drawn(dashboard: dict[str, Any], prometheus: Prometheus, now: float, seconds: float) -> str:
    """A whole page for the `seconds` before `now`."""
    panels = "".join(_panel(one, _lines(one, prometheus, now, seconds)) for one in dashboard["panels"])
    heading = f"<h1>{escape(dashboard['title'])}</h1><p>{escape(dashboard['description'])}</p>"
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{heading}<main>{panels}</main>"


def _lines(panel: dict[str, Any], prometheus: Prometheus, now: float, seconds: float) -> list[Line]:
    found: list[Line] = []
    for target in panel["targets"]:
        query = filled_in(target["expr"])
        answer = prometheus.get("/api/v1/query_range", query=query, start=now - seconds, end=now, step=1)
        for series in answer["result"]:
            points = [(float(at), float(value)) for at, value in series["values"]]
            if points := [(at, value) for at, value in points if math.isfinite(value)]:
                found.append(Line(_name(target.get("legendFormat", ""), series["metric"]), points))
    return found


def _name(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), template)


def _panel(panel: dict[str, Any], lines: list[Line]) -> str:
    place, unit = panel["gridPos"], panel["fieldConfig"]["defaults"].get("unit", "short")
    draw = DRAWINGS[panel["type"]]
    inside = draw(lines, unit, 50 * place["w"]) if lines else '<div class="none">No data</div>'
    grid = f"grid-column:{place['x'] + 1}/span {place['w']};grid-row:{place['y'] + 1}/span {place['h']}"
    return (
        f'<section style="{grid}" title="{escape(panel["title"])}"><h2>{escape(panel["title"])}</h2>{inside}</section>'
    )


def _chart(lines: list[Line], unit: str, wide: int) -> str:
    times = [at for line in lines for at, _ in line.points]
    values = [value for line in lines for _, value in line.points]
    first, last, low, high = min(times), max(times), min(0.0, *values), max(values)
    across, up = (last - first) or 1, (high - low) or 1

    def path(line: Line) -> str:
        return " ".join(
            f"{60 + (wide - 70) * (at - first) / across:.1f},{175 - 165 * (v - low) / up:.1f}" for at, v in line.points
        )

    drawn = "".join(
        f'<polyline points="{path(line)}" fill="none" stroke="{_colour(number)}" stroke-width="1.5"/>'
        for number, line in enumerate(lines)
    )
    axis = "".join(
        f'<text x="54" y="{y}" text-anchor="end" font-size="11" fill="#9fa2a8">{said(value, unit)}</text>'
        f'<line x1="60" x2="{wide - 10}" y1="{y - 4}" y2="{y - 4}" stroke="#2c3235"/>'
        for y, value in ((14, high), (96, (high + low) / 2), (179, low))
    )
    names = "".join(
        f'<span><span style="color:{_colour(number)}">■</span>{escape(line.name)}: {said(line.last, unit)}</span>'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg viewBox="0 0 {wide} 185" preserveAspectRatio="none">{axis}{drawn}</svg><div class="legend">{names}</div>'
    )


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _numbers(lines: list[Line], unit: str, _: int) -> str:
    values = "".join(f"<div><b>{said(line.last, unit)}</b><span>{escape(line.name)}</span></div>" for line in lines)
    return f'<div class="values">{values}</div>'


def _bars(lines: list[Line], unit: str, _: int) -> str:
    most = max(abs(line.last) for line in lines) or 1
    return "".join(
        f'<div class="bar"><span>{escape(line.name)}: {said(line.last, unit)}</span>'
        f'<i style="width:{50 * abs(line.last) / most:.1f}%"></i></div>'
        for line in lines
    )


def _heat(lines: list[Line], _: str, wide: int) -> str:
    """Each bucket a row, the lowest at the bottom; the more in it, the lighter."""
    rows = _buckets(lines)
    times = sorted({at for line in rows for at, _ in line.points})
    most = max(value for line in rows for _, value in line.points) or 1
    across, tall = (wide - 60) / len(times), 175 / len(rows)
    cells = "".join(
        f'<rect x="{60 + across * times.index(at):.1f}" y="{175 - tall * (row + 1):.1f}" width="{across + 0.5:.1f}" '
        f'height="{tall:.1f}" fill="#eab839" fill-opacity="{max(value, 0) / most:.2f}"/>'
        for row, line in enumerate(rows)
        for at, value in line.points
    )
    names = "".join(
        f'<text x="54" y="{178 - tall * row - tall / 4:.1f}" text-anchor="end" font-size="9" fill="#9fa2a8">'
        f"{escape(line.name)}</text>"
        for row, line in enumerate(rows)
    )
    return f'<svg viewBox="0 0 {wide} 185" preserveAspectRatio="none">{cells}{names}</svg>'


def _buckets(lines: list[Line]) -> list[Line]:
    """Prometheus counts in each bucket what is in the lower ones too; here each holds its own."""
    ordered = sorted(lines, key=lambda line: float(line.name))
    lower: dict[float, float] = {}
    rows = []
    for line in ordered:
        rows.append(Line(line.name, [(at, value - lower.get(at, 0.0)) for at, value in line.points]))
        lower = dict(line.points)
    return rows


DRAWINGS: dict[str, Callable[[list[Line], str, int], str]] = {
    "timeseries": _chart,
    "stat": _numbers,
    "gauge": _numbers,
    "bargauge": _bars,
    "heatmap": _heat,
}


def said(value: float, unit: str) -> str:
    """A value as Grafana's unit says it."""
    match unit:
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "s":
            return f"{1000 * value:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
        case "bytes":
            return f"{value / 2**20:.4g} MiB"
        case "dateTimeFromNow":  # in milliseconds
            ago = (datetime.now(UTC) - datetime.fromtimestamp(value / 1000, UTC)).total_seconds()
            return f"{ago / 86400:.0f} days ago" if ago > 172_800 else f"{ago:.0f} s ago"
        case "d":
            return f"{value:.1f} days"
        case "reqps" | "ops":
            return f"{value:.3g} /s"
    return f"{value:.4g}"
