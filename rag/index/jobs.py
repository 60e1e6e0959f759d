"""Jobs: asked for after a commit, carried by a queue, true in their rows. The one file that knows RQ."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.core.signals import setting_changed
from django.db import Error, connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from rag.errors import ServiceUnavailable
from rag.index import generations
from rag.index.coverage import behind, surplus
from rag.index.indexing import reconcile
from rag.index.recipe import current_recipe
from rag.models import Generation, Job

logger = logging.getLogger(__name__)

REINDEX = "reindex"
SWEEP_SECONDS = 5.0
SILENT_SECONDS = 60.0  # a running job that has not been heard of for so long has lost its worker


class JobRunner(Protocol):
    def enqueue(self, job_id: int) -> None:
        """Have this job run soon, by somebody. May do nothing: the sweep finds the row."""
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
        while True:
            self._wake.wait(SWEEP_SECONDS)
            self._wake.clear()
            try:
                sweep()
                run_waiting()
            except Exception:
                logger.exception("the job runner goes on after an error")
            finally:
                connection.close()


class RqRunner:
    """RQ carries the job's number; JSON, so that whoever can write to Redis still cannot make us run code."""

    def enqueue(self, job_id: int) -> None:
        import django_rq
        from redis.exceptions import RedisError

        try:
            django_rq.get_queue("default").enqueue_call(
                "rag.index.jobs.run", args=(job_id,), result_ttl=600, failure_ttl=7 * 86_400
            )
        except RedisError as error:
            logger.warning("job waits for the sweep: %s", type(error).__name__, extra={"job": job_id})


def request(kind: str = REINDEX, *, user: Any = None) -> Job:
    """The job of this kind that waits already, or a new one; handed to the runner."""
    Job.objects.bulk_create([Job(kind=kind, requested_by=user)], ignore_conflicts=True)
    job = Job.objects.filter(kind=kind).order_by("-pk").first()
    assert job is not None
    get_runner().enqueue(job.pk)
    return job


def sweep() -> None:
    """Find what nobody is working on: jobs that lost their worker, and an index behind its content."""
    silent = timezone.now() - timedelta(seconds=SILENT_SECONDS)
    lost = Job.objects.filter(state=Job.State.RUNNING, heartbeat_at__lt=silent)
    if lost.update(state=Job.State.FAILED, error="The worker went away.", finished_at=timezone.now()):
        logger.warning("a job lost its worker")
    if not Job.objects.filter(state=Job.State.RUNNING).exists():
        for pk in Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True):
            get_runner().enqueue(pk)
    if not _under_way() and not _failed_lately() and index_is_behind():
        request()


def index_is_behind() -> bool:
    generation = generations.live()
    if generation is None or generation.recipe != current_recipe().fingerprint:
        return True
    return behind(generation).exists() or surplus(generation).exists()


def run_waiting() -> None:
    for pk in list(Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True)):
        run(pk)


def run(job_id: int) -> None:
    """Do the job if it still waits: a second delivery of the same number changes nothing."""
    now = timezone.now()
    claimed = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(
        state=Job.State.RUNNING, started_at=now, heartbeat_at=now
    )
    if not claimed:
        return
    try:
        _reindex(job_id)
    except ServiceUnavailable as error:
        _finish(job_id, Job.State.FAILED, str(error))
        logger.warning("reindex stopped: %s", error, extra={"job": job_id})
    except Exception as error:
        _finish(job_id, Job.State.FAILED, f"Unexpected: {type(error).__name__}. The log has the rest.")
        raise
    else:
        _finish(job_id, Job.State.SUCCEEDED)


def _reindex(job_id: int) -> None:
    generation = generations.target()

    def advance(done: int, total: int) -> None:
        Job.objects.filter(pk=job_id).update(done=done, total=total, heartbeat_at=timezone.now())

    reconcile(generation, advance)
    if generation.state == Generation.State.BUILDING and not behind(generation).exists():
        generations.promote(generation)


def _finish(job_id: int, state: Job.State, error: str = "") -> None:
    Job.objects.filter(pk=job_id).update(state=state, error=error, finished_at=timezone.now())


def _under_way() -> bool:
    return Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING]).exists()


def _failed_lately() -> bool:
    """After a failure the sweep leaves the service some rest before it asks again."""
    latest = Job.objects.exclude(finished_at=None).order_by("-finished_at").first()
    rested = timezone.now() - timedelta(seconds=2 * SWEEP_SECONDS)
    return latest is not None and latest.state == Job.State.FAILED and latest.finished_at > rested  # type: ignore[operator]


def request_after_commit() -> None:
    """Not before, so that a long import holds no row that others wait for. If it is lost, the sweep finds the fact."""
    transaction.on_commit(_request_or_leave_it_to_the_sweep)


def _request_or_leave_it_to_the_sweep() -> None:
    try:
        request()
    except Error as error:
        logger.warning("no job could be written: %s", type(error).__name__)


def work_on_redis() -> None:
    """RQ's worker with its scheduler, and the sweep beside it. One process: the model is loaded once, not per job."""
    import django_rq
    from rq.serializers import JSONSerializer
    from rq.worker import SimpleWorker

    threading.Thread(target=_sweep_for_ever, name="sweep", daemon=True).start()
    queue = django_rq.get_queue("default")
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    worker.work(with_scheduler=True, logging_level=logging.getLogger().getEffectiveLevel())


def _sweep_for_ever() -> None:
    while True:
        time.sleep(SWEEP_SECONDS)
        try:
            sweep()
        except Exception:
            logger.exception("the sweep goes on after an error")
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
