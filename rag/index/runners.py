"""Who does the jobs: RQ workers, or a thread of the web process. The one file that knows RQ."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connection
from django.utils.module_loading import import_string

from rag.errors import Reason, ServiceUnavailable
from rag.signals import at_work
from rag.tracing import NO_REQUEST, on_behalf_of, request_id

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
PROBE_SECONDS = 0.5
PRESENT = "steadfast:workers"  # who was there when, as a sorted set
ABSENT_SECONDS = 30.0  # silent for so long, a worker is counted no more
T = TypeVar("T")


class JobRunner(Protocol):
    def enqueue(self, job_id: int) -> None:
        """Have this job done soon, by somebody. May do nothing: the sweep finds the row."""
        ...

    def workers(self) -> int:
        """How many there are to do jobs. Raises ServiceUnavailable when that cannot be asked."""
        ...


class ThreadRunner:
    """One thread in the web process, for a machine without Redis. It sweeps by itself."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def enqueue(self, job_id: int) -> None:
        self._wake.set()

    def workers(self) -> int:
        return int(self._thread is not None and self._thread.is_alive())

    def start(self) -> None:
        """Called once in each web process, after the fork."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
            self._thread.start()
            at_work.send(sender=ThreadRunner)

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
                "rag.index.runners.perform",
                args=(job_id, request_id.get()),
                result_ttl=600,
                failure_ttl=7 * 86_400,
            )
        except RedisError as error:
            logger.warning("a job waits for the sweep: %s", type(error).__name__, extra={"job": job_id})

    def workers(self) -> int:
        """Those who said so lately. RQ's own list names a killed worker for minutes."""
        lately = time.time() - ABSENT_SECONDS
        return int(_asked(lambda redis: redis.zcount(PRESENT, lately, "+inf")))


def perform(job_id: int, asked_by: str = NO_REQUEST) -> bool:
    """In the worker: its log lines bear the id of the request that asked for the job."""
    from rag.index import work

    with on_behalf_of(asked_by):
        return work.run(job_id)


def probe() -> str:
    """Redis's version; ServiceUnavailable when it does not answer soon."""
    version: str = _asked(lambda redis: redis.info("server"))["redis_version"]
    return version


def queues() -> dict[str, int]:
    """RQ's own figures: how many numbers each of its lists holds. Raises ServiceUnavailable."""
    from rq import Queue
    from rq.serializers import JSONSerializer

    def read(redis: Redis) -> dict[str, int]:
        queue = Queue("default", connection=redis, serializer=JSONSerializer)
        return {
            "queued": queue.count,
            "started": queue.started_job_registry.get_job_count(cleanup=False),
            "failed": queue.failed_job_registry.get_job_count(cleanup=False),
        }

    return _asked(read)


def _asked(question: Callable[[Redis], T]) -> T:
    """On a connection of its own that gives up soon: the queue's may wait for a job for minutes."""
    from redis import Redis
    from redis.exceptions import RedisError

    patience = {"socket_connect_timeout": PROBE_SECONDS, "socket_timeout": PROBE_SECONDS}
    try:
        with Redis.from_url(settings.REDIS_URL, **patience) as redis:
            return question(redis)
    except RedisError as error:
        reason: Reason = "timeout" if "imeout" in type(error).__name__ else "refused"
        raise ServiceUnavailable("redis", reason, f"Redis: {type(error).__name__}") from error


def work_on_redis() -> None:
    """RQ's worker with its scheduler, and the sweep beside it. One process: the model is loaded once, not per job.

    While Redis is gone the sweep does what there is to do, and the worker comes back with it.
    """
    from redis.exceptions import RedisError

    threading.Thread(target=_sweep_for_ever, name="sweep", daemon=True).start()
    threading.Thread(target=_present_for_ever, name="present", daemon=True).start()
    at_work.send(sender=RqRunner)
    while True:
        try:
            _work_until_told_to_stop()
            return
        except RedisError as error:
            logger.warning("the worker waits for Redis: %s", type(error).__name__)
            time.sleep(SWEEP_SECONDS)
            multiprocessing.active_children()  # buries the scheduler that went with Redis; it would stay as a zombie


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


def _present_for_ever() -> None:
    while True:
        with suppress(ServiceUnavailable):  # the worker's own lines in the log say that Redis is away
            _asked(announce)
        time.sleep(SWEEP_SECONDS)


def announce(redis: Redis) -> None:
    """This process does jobs; those that have not said so for a while are struck off."""
    redis.zadd(PRESENT, {f"{socket.gethostname()}:{os.getpid()}": time.time()})
    redis.zremrangebyscore(PRESENT, "-inf", time.time() - ABSENT_SECONDS)


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
