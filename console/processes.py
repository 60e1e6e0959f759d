"""Several processes as one: their lines together, one Ctrl-C for all, and the end of one is the end of all."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[1]


def run_until_interrupted(processes: dict[str, list[str]]) -> int:
    """Start them and wait. Returns 0 after Ctrl-C or SIGTERM, else the exit status of the one that ended first."""
    from honcho.manager import Manager

    manager = Manager()
    for name, command in processes.items():
        # exec: the signal reaches the program itself and not a shell around it.
        manager.add_process(name, f"exec {shlex.join(command)}", cwd=str(BASE_DIR), env=dict(os.environ))
    manager.loop()
    interrupted = manager.returncode is None or manager.returncode < 0 or manager.returncode in {130, 143}
    return 0 if interrupted else manager.returncode
