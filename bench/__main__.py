"""`python -m bench`: every figure of the table, side by side in one run; prints it and writes docs/performance.md."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import first_token, memory, questions, report, starting, throughput
from bench.row import Row, told
from bench.serving import Ground

WORST_SECONDS = 420  # that one bench may take

Failed = tuple[str, str]


def main() -> None:
    began = time.perf_counter()
    rows: list[Row] = []
    failed: list[Failed] = []
    for bench in (
        served,
        started,
        alone("reindexing"),
        alone("unchanged"),
        alone("answers", "dashboard"),
        alone("engines"),
        alone("int8"),
    ):
        name = getattr(bench, "__name__", "?")
        try:
            for row in bench():
                print(row, flush=True)
                rows.append(row)
        except Exception as error:  # one that breaks takes none of the others along
            print(f"{name} broke: {error}", flush=True)
            failed.append((name, f"{type(error).__name__}: {error}".splitlines()[0][:200]))
    report.write([*rows, *report.elsewhere()], failed, seconds=time.perf_counter() - began)
    sys.exit(1 if failed else 0)


def served() -> Iterable[Row]:
    """All that has to do with the product as a server; it is put up once."""
    faq = questions.faq_file()
    with tempfile.TemporaryDirectory(prefix="steadfast-bench-") as kept, Ground(faq) as ground:
        with throughput.Field(ground, faq, Path(kept)) as field:
            yield from throughput.rows(field)
        yield first_token.first_token(ground)
        yield memory.memory(ground, field.bodies)


def started() -> Iterable[Row]:
    yield starting.starting()


def alone(module: str, *words: str) -> Callable[[], Iterable[Row]]:
    """A bench that works within a process, with Django in it."""

    def run() -> Iterable[Row]:
        command = [sys.executable, "-m", f"bench.{module}", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=WORST_SECONDS)
        yield from told(done.stdout)
        assert done.returncode == 0, f"python -m bench.{module} ended with {done.returncode}"

    run.__name__ = module
    return run


if __name__ == "__main__":
    main()
