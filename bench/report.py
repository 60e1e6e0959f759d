"""docs/performance.md: the table, made by a run of the bench, with what stands in the way where a goal is missed."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.row import Row

REPORT = Path("docs/performance.md")
REMARKS = Path(__file__).with_name("remarks.md")
DRILL = Path("docs/drills/metrics.md")
IMAGE = Path("docs/image.md")
LIBRARIES = ("Django", "onnxruntime", "tokenizers", "numpy", "gunicorn", "psycopg", "redis")


def write(rows: Sequence[Row], failed: Sequence[tuple[str, str]], *, seconds: float) -> None:
    lines = [
        "# Performance",
        "",
        "Ratios, taken side by side in one run: every side is asked in turn, so that whatever else the machine does",
        "troubles all alike. `make bench` writes this file anew; what is said below the table is `bench/remarks.md`.",
        "",
        f"Run on {datetime.now(UTC):%Y-%m-%d} in {seconds / 60:.0f} minutes on {machine()}.",
        f"{versions()}.",
        f"Peers: {peers()}. Load by wrk, one thread.",
        "",
        "| figure | goal | reached | | both sides |",
        "|---|---|---|---|---|",
        *(
            f"| {row.figure} | {row.goal_in_words} | {row.reached:.2f} {row.unit} | {row.verdict} | {row.sides} |"
            for row in rows
        ),
        "",
        *(f"- **{row.figure}.** {row.note}" for row in rows if row.note),
        "",
    ]
    if failed:
        lines += ["Not measured in this run:", "", *(f"- {name}: {why}" for name, why in failed), ""]
    REPORT.write_text("\n".join(lines) + REMARKS.read_text(encoding="utf-8"), encoding="utf-8")


def machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GB"


def versions() -> str:
    return f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def peers() -> str:
    lines = Path("bench/requirements.txt").read_text(encoding="utf-8").splitlines()
    return ", ".join(line.replace("==", " ") for line in lines if "==" in line)


def elsewhere() -> list[Row]:
    """Figures of the goals that another command measures: read from what it wrote."""
    found = []
    text = DRILL.read_text(encoding="utf-8")
    recycled = re.search(r"- ([\d,]+) workers", text)
    scrape = re.search(r"(\d+) ms in the first tenth, (\d+) ms in the last", text)
    if scrape and recycled:
        first, last = int(scrape[1]), int(scrape[2])
        figure = f"scrape after {recycled[1]} worker recycles, of the first (`make drill-metrics`)"
        found.append(Row(figure, last / first, f"{last} ms : {first} ms", 1.1, "at most"))
    return [*found, *image()]


def image() -> list[Row]:
    """As `make image-report` wrote it: ours, and the same with torch as pip installs it."""
    text = IMAGE.read_text(encoding="utf-8") if IMAGE.exists() else ""
    rows = []
    if ours := re.search(r"^\| ours, with ONNX Runtime \| (\d+) MB", text, re.MULTILINE):
        rows.append(Row("app image on disk (`make image-report`)", int(ours[1]), f"{ours[1]} MB", 365, "at most", "MB"))
    if torch := re.search(r"^\| the same with torch[^|]*as pip[^|]*\| (\d+) MB \| ([\d.]+) \|", text, re.MULTILINE):
        rows.append(Row("app image: smaller than the same with torch", float(torch[2]), f"{torch[1]} MB with it", 3.9))
    return rows
