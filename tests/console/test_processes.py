"""Several processes as one, with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types
import pytest

from tests.servers import PROJECT, dies_with_us

RUN = """
import logging, sys
from console.processes import run_until_interrupted
logging.basicConfig(level="INFO", stream=sys.stdout, format="%%(message)s")
print("begins", flush=True)
sys.exit(run_until_interrupted(%r))
"""
PATIENCE = 30


def python(code: str) -> list[str]:
    return [sys.executable, "-uc", code]


# In one write: two processes share the pipe, and print() without a buffer writes text and line end apart.
LONG = python("import os, time; os.write(1, b'ready\\n'); time.sleep(600)")


@contextmanager
def running(**processes: list[str]) -> Iterator[subprocess.Popen[str]]:
    """In a session of its own, as in a terminal."""
    with subprocess.Popen(
        python(RUN % processes),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=dies_with_us(),
    ) as together:
        try:
            yield together
        finally:
            if together.poll() is None:
                for process in [*children(together), together]:
                    process.kill()


def children(together: subprocess.Popen[str]) -> list[psutil.Process]:
    return list(psutil.Process(together.pid).children(recursive=True))


def read(together: subprocess.Popen[str], *wanted: str) -> None:
    """Its output, up to the line that has the last of these, each in a line of its own."""
    assert together.stdout is not None
    for words in wanted:
        assert any(words in line for line in together.stdout)


def assert_gone(processes: list[psutil.Process]) -> None:
    _, left = psutil.wait_procs(processes, timeout=PATIENCE)
    assert not left


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_end_of_one_is_the_end_of_all_and_its_status_is_told(code: str, status: int) -> None:
    with running(long=LONG, short=python(code)) as together:
        output, _ = together.communicate(timeout=PATIENCE)
    assert together.returncode == status
    assert "short has ended" in output
    assert "SIGTERM to long" in output


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_stops_them_all_and_is_no_failure(by: signal.Signals) -> None:
    with running(web=LONG, worker=LONG) as together:
        read(together, "ready", "ready")
        processes = children(together)
        assert len(processes) == 2
        together.send_signal(by)
        assert together.wait(PATIENCE) == 0
    assert_gone(processes)


def test_an_interrupt_at_any_moment_of_the_start_stops_them_all() -> None:
    """Ctrl-C comes to the whole group, each time a little later."""
    for step in range(10):
        with running(web=LONG, worker=LONG) as together:
            read(together, "begins")
            time.sleep(step / 500)
            processes = children(together)
            os.killpg(together.pid, signal.SIGINT)
            together.wait(PATIENCE)
        assert_gone(processes)


def test_whoever_is_at_something_may_end_it(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with running(slow=slow_to_end(seconds=7, leaves=done), quick=LONG) as together:
        read(together, "ready", "ready")
        os.killpg(together.pid, signal.SIGINT)  # as a terminal does
        together.communicate(timeout=PATIENCE)
    assert together.returncode == 0
    assert done.exists()


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with running(slow=slow_to_end(seconds=600, leaves=done)) as together:
        read(together, "ready")
        together.send_signal(signal.SIGINT)
        read(together, "ending")
        together.send_signal(signal.SIGINT)
        assert together.wait(PATIENCE) == 0
    assert not done.exists()


def slow_to_end(*, seconds: int, leaves: Path) -> list[str]:
    return python(
        "import os, pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    os.write(1, b'ending\\n')\n"
        f"    time.sleep({seconds})\n"
        f"    pathlib.Path({str(leaves)!r}).touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "os.write(1, b'ready\\n')\n"
        "time.sleep(600)\n"
    )


def test_none_of_them_outlives_the_one_that_started_them() -> None:
    with running(web=LONG, worker=LONG) as together:
        read(together, "ready", "ready")
        processes = children(together)
        together.kill()
        together.wait(PATIENCE)
        assert_gone(processes)
