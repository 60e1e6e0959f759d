"""How many web workers this container has room for: by the processors and the memory that it was given."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20
MASTER_BYTES = 150 * MIB  # the code, loaded once before the fork
WORKER_BYTES = 260 * MIB  # resident 247 to 301 MB with model and pools, a part of it shared
FEWEST, MOST = 2, 12
UNLIMITED = 1 << 60  # cgroup v1 says "no limit" by a number that no machine has


def workers(root: Path = CGROUPS) -> int:
    """Twice the processors and one, as far as memory goes; never fewer than two, so that one can be replaced."""
    room = memory_bytes(root)
    by_memory = MOST if room is None else (room - MASTER_BYTES) // WORKER_BYTES
    return max(FEWEST, min(2 * processors(root) + 1, by_memory, MOST))


def processors(root: Path = CGROUPS) -> int:
    """Whole processors, rounded up: by the quota where there is one, and those that we may run on."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def memory_bytes(root: Path = CGROUPS) -> int | None:
    """The limit, or None where there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(root / name)
        if text.isdigit() and int(text) < UNLIMITED:
            return int(text)
    return None


def _quota(root: Path) -> float | None:
    """Processors' worth of time: `max 100000` or `150000 100000` in v2; -1 means no limit in v1."""
    quota, _, period = _read(root / "cpu.max").partition(" ")
    if not quota:
        quota, period = (_read(root / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if not quota.isdigit() or not period.isdigit() or int(period) == 0 or int(quota) == 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
