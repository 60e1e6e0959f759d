"""Load by wrk: so many connections for so long, what came of it, and whose processor time it took."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types

SCRIPT = Path(__file__).with_name("ask.lua")


@dataclass(frozen=True)
class Load:
    """One run of wrk. Milliseconds are per request; `processors` is how many were busy for each group of processes."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    wrk: float  # share of one processor
    processors: Mapping[str, float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def run(
    url: str,
    bodies: Path,
    *,
    first: int = 0,
    connections: int,
    seconds: float,
    headers: Mapping[str, str],
    watched: Mapping[str, Sequence[int]],
) -> Load:
    """`watched`: names of groups and the processes, with their children, that belong to each."""
    words = [str(bodies), str(first), *(f"{name}={value}" for name, value in headers.items())]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT), url, "--"]
    before, began = {name: _seconds_of(pids) for name, pids in watched.items()}, time.perf_counter()
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True) as wrk:
        assert wrk.stdout is not None
        printed = wrk.stdout.read()
        _, status, used = os.wait4(wrk.pid, 0)
        wrk.returncode = os.waitstatus_to_exitcode(status)
    passed = time.perf_counter() - began
    assert wrk.returncode == 0, printed
    told = json.loads(printed.strip().rpartition("\n")[2])
    assert not told["failed"], f"{url} refused or failed {told['failed']} of {told['requests']}"
    busy = {name: (_seconds_of(pids) - before[name]) / passed for name, pids in watched.items()}
    return Load(**told, wrk=(used.ru_utime + used.ru_stime) / passed, processors=busy)


def write_bodies(questions: Iterable[str], path: Path) -> Path:
    path.write_text("".join(json.dumps({"question": one}) + "\n" for one in questions), encoding="utf-8")
    return path


def _seconds_of(pids: Sequence[int]) -> float:
    """Processor time of these and all below them."""
    first = [psutil.Process(pid) for pid in pids]
    all_of_them = {process for one in first for process in (one, *one.children(recursive=True))}
    return float(sum(sum(process.cpu_times()[:2]) for process in all_of_them))
