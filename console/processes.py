"""Several processes as one: one Ctrl-C for all, and the end of one is the end of all."""

from __future__ import annotations

import ctypes
import logging
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

logger = logging.getLogger(__name__)

BASE_DIR = Path(__file__).resolve().parents[1]
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, and the terminal that is closed
GRACE = 35.0  # seconds to end what they are at: more than gunicorn's graceful timeout
PAUSE = 0.2
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def run_until_interrupted(processes: dict[str, list[str]]) -> int:
    """Start them and wait. Returns 0 after Ctrl-C or SIGTERM, else the exit status of the one that ended first.

    A second Ctrl-C does not wait until they have ended what they are at.
    """
    # Blocked, so that one which comes while they are being started waits until all of them are.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    running = {name: _start(command) for name, command in processes.items()}
    status, patience = 0, math.inf
    while running:
        interrupted = signal.sigtimedwait(ENDS, PAUSE) is not None
        ended = {name: code for name, process in running.items() if (code := process.poll()) is not None}
        for name, code in ended.items():
            logger.info("%s has ended, with status %d", name, code)
            del running[name]
        if patience == math.inf and (interrupted or ended):
            status = 0 if interrupted else next(iter(ended.values()))
            patience = time.monotonic() + GRACE
            _send(signal.SIGTERM, running)
        elif interrupted or time.monotonic() > patience:
            _send(signal.SIGKILL, running)
    return status if status >= 0 else 128 - status


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """In a session of its own, as the terminal's Ctrl-C would end it before it is asked to end well."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def before_it_runs() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        if libc:  # should we be killed outright, none of them stays behind
            libc.prctl(DIE_WITH_PARENT, int(signal.SIGTERM))

    return subprocess.Popen(command, cwd=BASE_DIR, start_new_session=True, preexec_fn=before_it_runs)  # noqa: S603  # commands of ours


def _send(number: signal.Signals, running: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in running.items():
        logger.info("%s to %s", number.name, name)
        process.send_signal(number)
