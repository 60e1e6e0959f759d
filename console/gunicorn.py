"""Gunicorn's configuration: `gunicorn --config python:console.gunicorn`."""

from __future__ import annotations

import os
import sys
from typing import Any

from console.environment import current
from console.start import capacity
from monitoring import slots

environment = current()

wsgi_app = "console.wsgi:application"
host = f"[{environment.HOST}]" if ":" in environment.HOST else environment.HOST
bind = f"{host}:{environment.PORT}"
worker_class = "console.draining.DrainingWorker"  # "gthread", and nobody lost when it ends
threads = 8
# Without Redis the jobs run in the web process and the cache is its own: so one process.
workers = int(os.environ.get("WEB_CONCURRENCY") or capacity.workers()) if environment.REDIS_URL else 1
preload_app = True
graceful_timeout = 30
timeout = 60
keepalive = 5
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  # a heartbeat file, best in memory
# A worker is replaced after so many, so that memory which leaks is given back; but not the only one, which does jobs.
max_requests = int(os.environ.get("MAX_REQUESTS", "2000")) if environment.REDIS_URL else 0
max_requests_jitter = max_requests // 10
accesslog = None
errorlog = "-"
loglevel = "warning"


# Before the application is loaded, as its counters are made then; not where somebody only reads this file.
if "gunicorn.app.base" in sys.modules:
    slots.begin()


def when_ready(server: Any) -> None:
    """Before the first fork: a worker that replaces another has the model at once, and all of them share its memory."""
    from console import draining, warm_up

    warm_up.before_the_fork()
    draining.turn_away_newcomers_at_the_end(server)


def pre_fork(server: Any, worker: Any) -> None:
    worker.slot = slots.take()


def post_fork(server: Any, worker: Any) -> None:
    slots.use(worker.slot)


def worker_exit(server: Any, worker: Any) -> None:
    """In the child, once its last asker has been answered."""
    from rag.answering import receipts

    receipts.finish()


def child_exit(server: Any, worker: Any) -> None:
    """In the master, for every end of a worker, kill -9 too."""
    from monitoring import traffic

    slots.give_back(worker.slot)
    traffic.WORKER_EXITS.inc()


def on_exit(server: Any) -> None:
    slots.end()


def post_worker_init(worker: Any) -> None:
    """In the child, so that no thread or connection crosses the fork."""
    from console import warm_up
    from monitoring import traffic

    traffic.THREADS.set(threads)
    warm_up.in_web_process()
