"""Who does the jobs: RQ workers, or a thread of the web process. The one file that knows RQ."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connection
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0


class JobRunner(Protocol):
    def enqueue(self, job_id: int) -> None:
        """Have this job done soon, by somebody. May do nothing: the sweep finds the row."""
        ...


class ThreadRunner:
    """One thread in the web process, for a machine without Redis. It sweeps by itself."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def enqueue(self, job_id: int) -> None:
        self._wake.set()

    def start(self) -> None:
        """Called once in each web process, after the fork."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        from rag.index import work

        while True:
            self._wake.wait(SWEEP_SECONDS)
            self._wake.clear()
            _undisturbed(work.sweep)
            _undisturbed(work.run_waiting)


class RqRunner:
    """RQ carries the job's number; JSON, so that whoever can write to Redis still cannot make us run code."""

    def enqueue(self, job_id: int) -> None:
        import django_rq
        from redis.exceptions import RedisError

        try:
            django_rq.get_queue("default").enqueue_call(
                "rag.index.work.run", args=(job_id,), result_ttl=600, failure_ttl=7 * 86_400
            )
        except RedisError as error:
            logger.warning("a job waits for the sweep: %s", type(error).__name__, extra={"job": job_id})


def work_on_redis() -> None:
    """RQ's worker with its scheduler, and the sweep beside it. One process: the model is loaded once, not per job.

    While Redis is gone the sweep does what there is to do, and the worker comes back with it.
    """
    from redis.exceptions import RedisError

    threading.Thread(target=_sweep_for_ever, name="sweep", daemon=True).start()
    while True:
        try:
            _work_until_told_to_stop()
            return
        except RedisError as error:
            logger.warning("the worker waits for Redis: %s", type(error).__name__)
            time.sleep(SWEEP_SECONDS)


def _work_until_told_to_stop() -> None:
    import django_rq
    from rq.serializers import JSONSerializer
    from rq.worker import SimpleWorker

    queue = django_rq.get_queue("default")
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    worker.work(with_scheduler=True, logging_level=logging.getLogger().getEffectiveLevel())


def _sweep_for_ever() -> None:
    from rag.index import work

    while True:
        _undisturbed(work.sweep)
        beat()
        time.sleep(SWEEP_SECONDS)


def beat() -> None:
    """The worker's sign of life for its container's health check, where WORKER_HEARTBEAT names a file."""
    if path := os.environ.get("WORKER_HEARTBEAT"):
        Path(path).touch()


def _undisturbed(step: Callable[[], object]) -> None:
    """A loop must outlive whatever goes wrong in one round: the database may be back in the next."""
    try:
        step()
    except Exception:
        logger.exception("the job loop goes on after an error")
    finally:
        connection.close()


@lru_cache(maxsize=1)
def get_runner() -> JobRunner:
    runner: JobRunner = import_string(settings.JOB_RUNNER)()
    return runner


def _forget(*, setting: str, **_: object) -> None:
    if setting == "JOB_RUNNER":
        get_runner.cache_clear()


setting_changed.connect(_forget)
