"""Gunicorn's configuration: `gunicorn --config python:console.gunicorn`."""

from __future__ import annotations

import os
from typing import Any

from console.environment import current

environment = current()

wsgi_app = "console.wsgi:application"
host = f"[{environment.HOST}]" if ":" in environment.HOST else environment.HOST
bind = f"{host}:{environment.PORT}"
worker_class = "gthread"
threads = 8
# Without Redis the jobs run in the web process and the cache is its own: so one process.
workers = int(os.environ.get("WEB_CONCURRENCY", "2")) if environment.REDIS_URL else 1
preload_app = True
graceful_timeout = 30
timeout = 60
keepalive = 5
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  # a heartbeat file, best in memory
accesslog = None
errorlog = "-"
loglevel = "warning"


def when_ready(server: Any) -> None:
    """Before the first fork: a worker that replaces another has the model at once, and all of them share its memory."""
    from console import warm_up

    warm_up.before_the_fork()


def post_worker_init(worker: Any) -> None:
    """In the child, so that no thread or connection crosses the fork."""
    from console import warm_up

    warm_up.in_web_process()
