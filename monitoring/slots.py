"""Where web processes count: in files by slot instead of by process.

A library's files by process id grow with every worker that was ever recycled, and cannot be removed, as their
counts belong to the sum. A slot is handed on from a worker that has ended to the next one, which goes on with its
files: there are never more than workers at once. The master hands the slots out and has the first for itself.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

from prometheus_client import values

logger = logging.getLogger(__name__)

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # the library's own variable
MEMORY = Path("/dev/shm")  # noqa: S108  # counts need not outlive the machine, and a full disk must not matter
PREFIX = "steadfast-metrics-"
MASTER = 0
# Reserved when a slot is handed out: a page that is missing later, as memory is full, would kill the worker.
RESERVED = {"counter": 1 << 17, "histogram": 1 << 19, "gauge_livesum": 1 << 16, "gauge_livemax": 1 << 16}

_mine = MASTER
_taken: set[int] = {MASTER}


def begin() -> Path:
    """In gunicorn's master, before anything counts: an empty directory, and the library told to go by slots."""
    given = os.environ.get(DIRECTORY)
    directory = Path(given) if given else _own_directory()
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.db"):
        old.unlink()
    os.environ[DIRECTORY] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: _mine)  # type: ignore[no-untyped-call]  # the library has no types here
    _reserve(MASTER)
    return directory


def end() -> None:
    """When the master ends: what was made is removed."""
    directory = counting_in()
    if directory and directory.name.startswith(PREFIX):
        shutil.rmtree(directory, ignore_errors=True)


def counting_in() -> Path | None:
    """The directory, or None where this process counts for itself alone."""
    given = os.environ.get(DIRECTORY)
    return Path(given) if given else None


def take() -> int:
    """In the master, before a worker is forked: a slot that no living process has."""
    slot = next(number for number in range(len(_taken) + 1) if number not in _taken)
    _taken.add(slot)
    _reserve(slot)
    return slot


def use(slot: int) -> None:
    """In the worker, after the fork."""
    global _mine
    _mine = slot


def give_back(slot: int) -> None:
    """In the master, once the worker has ended. Its counts stay; what it was at is forgotten."""
    _taken.discard(slot)
    directory = counting_in()
    for live in directory.glob(f"gauge_live*_{slot}.db") if directory else ():
        live.unlink()


def _own_directory() -> Path:
    """Named by the master, so that what a killed one left behind can be told and removed."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for old in place.glob(f"{PREFIX}*"):
        if not Path("/proc", old.name.removeprefix(PREFIX)).exists():
            shutil.rmtree(old, ignore_errors=True)
    return place / f"{PREFIX}{os.getpid()}"


def _reserve(slot: int) -> None:
    """What is not there yet comes into being at its full size, as a scrape may read it at any moment."""
    directory = counting_in()
    for kind, size in RESERVED.items() if directory else ():
        assert directory is not None
        wanted = directory / f"{kind}_{slot}.db"
        coming = wanted.with_suffix(".new")
        try:
            if not wanted.exists():
                with coming.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, size)
                coming.replace(wanted)
        except OSError as error:
            coming.unlink(missing_ok=True)
            logger.warning("no room reserved for metrics: %s", type(error).__name__)
