"""Gunicorn's configuration: `gunicorn --config python:console.gunicorn`."""

from __future__ import annotations

import os
from typing import Any

from console.environment import current
from console.start import capacity

environment = current()

wsgi_app = "console.wsgi:application"
host = f"[{environment.HOST}]" if ":" in environment.HOST else environment.HOST
bind = f"{host}:{environment.PORT}"
worker_class = "gthread"
threads = 8
# Without Redis the jobs run in the web process and the cache is its own: so one process.
workers = int(os.environ.get("WEB_CONCURRENCY") or capacity.workers()) if environment.REDIS_URL else 1
preload_app = True
# Memory that a library loses comes back; not all workers at once.
max_requests = 2_000
max_requests_jitter = 200
graceful_timeout = 30
timeout = 60
keepalive = 5
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  # a heartbeat file, best in memory
accesslog = None
errorlog = "-"
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    """In the child, so that no thread, connection or native thread pool crosses the fork."""
    from console import warm_up

    warm_up.in_web_process()
