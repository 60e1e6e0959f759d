"""Several processes as one: their lines together, one Ctrl-C for all, and the end of one is the end of all."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parents[1]
# Seconds that the others have to end what they are at, once one has stopped: more than gunicorn's graceful timeout.
GRACE = 35


def run_until_interrupted(processes: dict[str, list[str]]) -> int:
    """Start them and wait. Returns 0 after Ctrl-C or SIGTERM, else the exit status of the one that ended first."""
    from honcho import manager

    manager.KILL_WAIT = GRACE
    together = manager.Manager()
    for name, command in processes.items():
        # exec: the signal reaches the program itself and not a shell around it.
        together.add_process(name, f"exec {shlex.join(command)}", cwd=str(BASE_DIR), env=dict(os.environ))
    _heed_an_early_interrupt(together)
    together.loop()
    interrupted = together.returncode is None or together.returncode < 0 or together.returncode in {130, 143}
    return 0 if interrupted else together.returncode


def _heed_an_early_interrupt(together: Any) -> None:
    """While its processes are being started, honcho has no numbers yet by which to end them, and would fail."""
    terminate = together.terminate
    main = os.getpid()

    def terminate_once_started() -> None:
        if os.getpid() != main:  # Ctrl-C reaches honcho's own children as well, before they can ignore it
            return
        if all("pid" in process for process in together._processes.values()):
            terminate()
        else:
            threading.Timer(0.05, terminate_once_started).start()

    together.terminate = terminate_once_started
