"""Memory of four web workers against one, as the kernel shares it out: PSS counts a shared page once in all."""

from __future__ import annotations

from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types

from bench import load
from bench.row import Row
from bench.serving import Ground, token
from bench.throughput import JSON
from tests.servers import until

QUESTIONS_SECONDS = 1.0  # of one round; each opens its connections anew, as it is chance who accepts them
WORKED_SECONDS = 2.0  # of the processor, that each worker must have had before it is weighed
ROUNDS = 60  # at most


def memory(ground: Ground, bodies: Path) -> Row:
    one, four = (_megabytes(ground, bodies, workers) for workers in (1, 4))
    return Row(
        "memory (PSS) of the web server with four workers, of that with one; after questions",
        sum(four) / sum(one),
        f"{sum(four):.0f} MB : {sum(one):.0f} MB",
        1.3,
        "at most",
        note=f"Master and workers with four: {', '.join(f'{each:.0f} MB' for each in four)}.",
    )


def _megabytes(ground: Ground, bodies: Path, workers: int) -> list[float]:
    """Of the master and each worker, once all of them have answered for a while."""
    with ground.product(workers=workers) as product:
        headers = JSON | token(product.url)
        master = psutil.Process(product.pid)
        until(lambda: len(master.children()) == workers, "every worker is there")
        begun = {worker: _seconds(worker) for worker in master.children()}
        asked = 0
        for _ in range(ROUNDS):
            loaded = load.run(
                f"{product.url}/api/chat/",
                bodies,
                first=asked,
                connections=4 * workers,
                seconds=QUESTIONS_SECONDS,
                headers=headers,
                watched={},
            )
            asked += loaded.requests + 4 * workers
            if all(_seconds(worker) - before >= WORKED_SECONDS for worker, before in begun.items()):
                return [_pss(process.pid) for process in (master, *begun)]
    raise AssertionError("a worker was never asked")


def _seconds(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no Pss")
