"""`make run` for the second time: from the key press to the first answer, and which step takes how much of it."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

from bench.row import Row
from tests.servers import PROJECT, free_port, until
from tests.stack.asker import Asker

TIMES = 3
QUESTION = "got the repo cloned, now what do i type"
STEPS = ("prepared", "listens", "answers")


def starting() -> Row:
    with tempfile.TemporaryDirectory(prefix="steadfast-bench-") as folder:
        _started(folder)  # the first time: the database, the model, the index
        runs = [_started(folder) for _ in range(TIMES)]
    at = {step: statistics.median(run[step] for run in runs) for step in STEPS}
    whole = at["answers"]
    shares = [at["prepared"], at["listens"] - at["prepared"], at["answers"] - at["listens"]]
    prepares, serves, answers = (f"{each:.1f} s ({each / whole:.0%})" for each in shares)
    return Row(
        "`make run` the second time, from start to first answer",
        whole,
        f"{whole:.1f} s",
        3.0,
        "at most",
        "s",
        note=f"Database, model and index looked at: {prepares}; Gunicorn, Django and the model loaded: {serves};"
        f" the first answer: {answers}.",
    )


def _started(folder: str) -> dict[str, float]:
    port = free_port()
    began = time.perf_counter()

    def passed() -> float:
        return time.perf_counter() - began

    # What is installed is not looked at again: a worktree's virtual environment may be older than its lock.
    command = ["make", "--silent", "-o", ".venv/.installed", "run", f"PORT={port}", f"DATA_DIR={folder}"]
    environment = {name: os.environ[name] for name in ("PATH", "HOME")}
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as make:
        try:
            assert make.stdout is not None
            assert any("Stop with Ctrl-C" in line for line in make.stdout), "it ended"
            prepared = passed()
            asker = Asker(f"http://127.0.0.1:{port}")
            until(lambda: _serves(asker), "it serves", 120, pause=0.01)
            listens = passed()
            assert asker.ask(QUESTION).answer
            return dict(zip(STEPS, (prepared, listens, passed()), strict=True))
        finally:
            os.killpg(make.pid, signal.SIGINT)


def _serves(asker: Asker) -> bool:
    ask: Callable[[str], object] = asker.get
    try:
        ask("/healthz")
    except OSError:
        return False
    return True
