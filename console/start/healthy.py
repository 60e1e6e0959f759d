"""The container's health check, without curl: `python -m console.start.healthy web|worker`.

It runs every few seconds, so it loads nothing but the standard library and takes only what it needs of the environment.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from pathlib import Path

SECONDS = 4
HEARTBEAT_SECONDS = 60.0


def main() -> None:
    """Exit status 0 when healthy, else 1 with one line that says why."""
    complaint = {"web": web, "worker": worker}[sys.argv[1]]()
    if complaint:
        sys.stderr.write(f"unhealthy: {complaint}\n")
        sys.exit(1)


def web() -> str | None:
    """Asks for liveness as the proxy would, under a name that is served."""
    headers = {"Host": _served_name(), "X-Forwarded-Proto": "https"}
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=SECONDS)
    try:
        connection.request("GET", "/healthz", headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the web server does not answer ({type(error).__name__})"
    finally:
        connection.close()
    return None if status == 200 else f"the web server answers {status}"


def worker() -> str | None:
    """The worker's sweep touches its heartbeat file; where it has not for a minute, the worker hangs."""
    heartbeat = Path(os.environ["WORKER_HEARTBEAT"])
    try:
        silent = time.time() - heartbeat.stat().st_mtime
    except OSError:
        return "the worker has not swept yet"
    return None if silent < HEARTBEAT_SECONDS else f"the worker has not swept for {silent:.0f} s"


def _served_name() -> str:
    """The first of ALLOWED_HOSTS: every other Host is refused."""
    hosts = os.environ.get("ALLOWED_HOSTS", "")
    if not hosts and (path := os.environ.get("ALLOWED_HOSTS_FILE")):
        hosts = Path(path).read_text(encoding="utf-8")
    first = hosts.partition(",")[0].strip().lstrip(".")
    return first if first not in {"", "*"} else "localhost"


if __name__ == "__main__":
    main()
