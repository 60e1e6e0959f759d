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

import psutil  # type: ignore[import-untyped]
import pytest

from tests.servers import PROJECT, dies_with_us, until

RUN = "import sys; from console.processes import run_until_interrupted; sys.exit(run_until_interrupted(%r))"
PATIENCE = 30


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@contextmanager
def running(processes: dict[str, list[str]]) -> Iterator[subprocess.Popen[str]]:
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
            left = [*_family(together), psutil.Process(together.pid)] if together.poll() is None else []
            for process in left:
                process.kill()


def _family(together: subprocess.Popen[str]) -> list[psutil.Process]:
    return list(psutil.Process(together.pid).children(recursive=True))


def test_the_end_of_one_is_the_end_of_all_and_its_status_is_told() -> None:
    with running({"long": python("import time; time.sleep(600)"), "short": python("raise SystemExit(7)")}) as together:
        output, _ = together.communicate(timeout=PATIENCE)
    assert together.returncode == 7
    assert "sending SIGTERM to long" in output


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_them_all_and_is_no_failure(by: signal.Signals) -> None:
    with running({name: python("import time; time.sleep(600)") for name in ("web", "worker")}) as together:
        _read(together, "started", "started")
        family = _family(together)
        together.send_signal(by)
        assert together.wait(PATIENCE) == 0
    assert not [process for process in family if process.is_running()]


def test_whoever_needs_longer_to_end_than_five_seconds_has_them(tmp_path: Path) -> None:
    done = tmp_path / "done"
    slow = f"""
import signal, sys, time
def end(*_):
    time.sleep(7)
    open({str(done)!r}, "w").close()
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
"""
    with running({"slow": python(slow), "quick": python("import time; time.sleep(600)")}) as together:
        _read(together, "| ready")
        together.send_signal(signal.SIGINT)
        together.communicate(timeout=PATIENCE)
    assert together.returncode == 0
    assert done.exists()


def _read(together: subprocess.Popen[str], *wanted: str) -> None:
    """Its output, up to the line that has the last of these, each in a line of its own."""
    assert together.stdout is not None
    for words in wanted:
        assert any(words in line for line in together.stdout)


def test_an_interrupt_at_any_moment_of_the_start_stops_them_all() -> None:
    """Ctrl-C comes to the whole group, each time a little later."""
    for step in range(12):
        with running({name: python("import time; time.sleep(600)") for name in ("web", "worker")}) as together:
            until(lambda: _handles(together, signal.SIGTERM), "it listens", PATIENCE, pause=0.001)
            time.sleep(step / 400)
            family = _family(together)
            os.killpg(together.pid, signal.SIGINT)
            assert together.wait(PATIENCE) == 0
            _, left = psutil.wait_procs(family, timeout=5)
            assert not left


def _handles(together: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Whether the kernel would call a handler of the process: `SigCgt` in its status."""
    status = Path(f"/proc/{together.pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)
