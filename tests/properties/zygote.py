"""A process that has imported what is heavy, and forks for each job: a start of Python in milliseconds.

Nothing that reads the environment is loaded before the fork, so a child meets its environment as a new process does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from typing import IO, Any

SECONDS = 120


def serve() -> None:
    """A job per line, a result per line."""
    exec(sys.argv[1], {})
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def run(job: dict[str, Any]) -> list[dict[str, Any]]:
    files = [(tempfile.TemporaryFile(), tempfile.TemporaryFile()) for _ in range(job["times"])]  # noqa: SIM115  # closed with the process
    children = [begin(job, out, err) for out, err in files]
    return [end(child, out, err) for child, (out, err) in zip(children, files, strict=True)]


def begin(job: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os._exit(status_of(job))
    return child


def end(child: int, out: IO[bytes], err: IO[bytes]) -> dict[str, Any]:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status, "out": text_of(out), "err": text_of(err)}


def text_of(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


def status_of(job: dict[str, Any]) -> int:
    os.environ.clear()
    os.environ.update(job["environ"])
    sys.argv = job["argv"]
    status = 0
    try:
        exec(job["code"], {"__name__": "__main__", **job["values"]})
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve()
