"""`python -m bench.scrapes`: a scrape after many workers have come and gone, with files by slot and by process.

Both count the same in real forked processes, and both are read by the same library; only the files' names differ.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.timing import Ratio, side_by_side

WORKERS = 400
AT_ONCE = 4
COUNTED = 20  # of each label, in each worker

# In a process of its own: how the library names its files is decided once.
COUNT = """
import os, sys
from prometheus_client import values
by, workers, at_once, counted = sys.argv[1], *map(int, sys.argv[2:])
mine = 0
identity = os.getpid if by == "pid" else lambda: mine
values.ValueClass = values.MultiProcessValue(identity)
from prometheus_client import Counter, Histogram
answers = Counter("answers", "Answers.", ["rung"])
seconds = Histogram("seconds", "Time.", ["stage"])
for first in range(0, workers, at_once):
    children = []
    for slot in range(1, at_once + 1):
        child = os.fork()
        if child == 0:
            mine = slot
            for number in range(counted):
                answers.labels(str(number % 5)).inc()
                seconds.labels(str(number % 7)).observe(number / 10)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""


def scrapes() -> Ratio:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    def read(directory: str) -> bytes:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]  # the library has no types here
        return generate_latest(registry)

    with tempfile.TemporaryDirectory() as by_slot, tempfile.TemporaryDirectory() as by_pid:
        _count("slot", by_slot)
        _count("pid", by_pid)
        files = {name: len(list(Path(name).iterdir())) for name in (by_slot, by_pid)}
        assert _counts(read(by_slot)) == _counts(read(by_pid)), "they do not count alike"
        what = f"a scrape after {WORKERS} workers: {files[by_slot]} files by slot, of {files[by_pid]} by process"
        return side_by_side(what, lambda: read(by_slot), lambda: read(by_pid))


def _counts(scraped: bytes) -> list[bytes]:
    """Without sums of seconds, which are rounded in another order."""
    return sorted(line for line in scraped.splitlines() if b"_sum{" not in line)


def _count(by: str, directory: str) -> None:
    arguments = [by, *map(str, (WORKERS, AT_ONCE, COUNTED))]
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": directory}
    subprocess.run([sys.executable, "-c", COUNT, *arguments], env=environment, check=True)


if __name__ == "__main__":
    print(scrapes())
