"""Gauges of state, collected when Prometheus asks, from what the console shows: readings and snapshot."""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from monitoring import slots
from monitoring.health import State, readings
from monitoring.snapshot import Jobs, Snapshot, snapshot
from rag.errors import ServiceUnavailable
from rag.index import runners
from rag.models import Job

logger = logging.getLogger(__name__)
disable_created_metrics()  # type: ignore[no-untyped-call]  # series that nobody asks for


def exposition() -> bytes:
    """Everything, in Prometheus's text format: what web processes counted, and the state as it is now.

    The registry is made for each scrape: within one for good, the library would leave the state out.
    """
    registry = CollectorRegistry()
    registry.register(StateNow())
    if slots.counting_in() is None:  # one process that counts for itself
        return generate_latest(REGISTRY) + generate_latest(registry)
    return generate_latest(registry)


class StateNow(Collector):
    """A part that fails is left out and counted; the others, and the scrape, go on."""

    def collect(self) -> Iterator[Metric]:
        began = time.perf_counter()
        failed = 0
        for part in (_counted, _dependencies, _state, _job_runners, _machine):
            try:
                yield from list(part())
            except Exception as error:
                failed += 1
                logger.warning("metrics left out: %s", part.__name__, extra={"error": type(error).__name__})
        yield _gauge("faq_metrics_parts_failed", "Parts of the state that could not be collected this time.", failed)
        took = time.perf_counter() - began
        yield _gauge("faq_metrics_collect_seconds", "Time that it took to collect the state.", took)


def _counted() -> Iterator[Metric]:
    """By all web processes together."""
    directory = slots.counting_in()
    if directory:
        yield from MultiProcessCollector(CollectorRegistry(), str(directory)).collect()  # type: ignore[no-untyped-call]  # the library has no types here


def _gauge(name: str, help: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help, value)


def _labelled(name: str, help: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _dependencies() -> Iterator[Metric]:
    """One that is off, or of which nothing is known, has no series: an alert must not take it for down."""
    found = readings()
    up = {
        one.check.name: float(one.state in {State.OK, State.DEGRADED})
        for one in found
        if one.state in {State.OK, State.DEGRADED, State.DOWN}
    }
    yield _labelled("faq_dependency_up", "1 where the last check of this dependency went well.", "dependency", up)
    seconds = {one.check.name: one.latency_ms / 1000 for one in found if one.latency_ms is not None}
    yield _labelled("faq_dependency_check_duration_seconds", "How long the last check took.", "dependency", seconds)


def _state() -> Iterator[Metric]:
    """Nothing is asked of a database that does not answer: the scrape would wait for it."""
    if any(one.check.name == "database" and one.state is State.DOWN for one in readings()):
        return
    taken = snapshot()
    for part in (_index, _drift, _jobs, _release):
        yield from part(taken)


def _index(taken: Snapshot) -> Iterator[Metric]:
    if taken.coverage is not None:
        states = ("published", "current", "outdated", "missing", "unpublished", "parked")
        numbers = {state: float(getattr(taken.coverage, state)) for state in states}
        yield _labelled("faq_index_entries", "Entries by their state in the live generation.", "state", numbers)
        yield _gauge("faq_index_coverage_ratio", "Current of published entries.", taken.coverage.ratio)
    if taken.oldest_behind_seconds is not None:
        help = "Since the edit that has been waiting longest to be found by meaning; 0 when none waits."
        yield _gauge("faq_index_oldest_behind_seconds", help, taken.oldest_behind_seconds)
    if taken.live is not None:
        info = GaugeMetricFamily("faq_generation_info", "The live generation.", labels=["model", "dimension"])
        info.add_metric([taken.live.model, str(taken.live.dimension)], 1.0)
        yield info
        if taken.live.live_at:
            help = "When the live generation went live."
            yield _gauge("faq_generation_live_timestamp_seconds", help, taken.live.live_at.timestamp())


def _drift(taken: Snapshot) -> Iterator[Metric]:
    if taken.drift is None:
        return
    when = taken.drift.scanned_at.timestamp()
    yield _gauge("faq_drift_scan_timestamp_seconds", "When content and index were last compared.", when)
    known = float(taken.drift.counts is not None)
    yield _gauge("faq_drift_scan_complete", "0 where the last comparison broke off, so that nothing is known.", known)
    if taken.drift.counts is not None:
        counts = {kind: float(count) for kind, count in taken.drift.counts.items()}
        yield _labelled("faq_drift_findings", "What the last comparison found.", "kind", counts)


def _jobs(taken: Snapshot) -> Iterator[Metric]:
    jobs = taken.jobs
    if jobs is None:
        return
    numbers = {"queued": float(jobs.waiting), "running": float(jobs.running)}
    yield _labelled("faq_jobs", "Jobs that wait and jobs that run.", "state", numbers)
    help = "How long the oldest waiting job has waited; 0 when none waits."
    yield _gauge("faq_job_oldest_waiting_seconds", help, jobs.oldest_waiting_seconds)
    ended = GaugeMetricFamily("faq_jobs_last_day", "Jobs that ended in the last 24 hours.", labels=["kind", "state"])
    for kind in Job.Kind.values:
        for state in ("succeeded", "failed", "cancelled"):
            ended.add_metric([kind, state], jobs.last_day.get((kind, state), 0))
    yield ended
    yield _labelled(
        "faq_job_last_success_timestamp_seconds",
        "When a job of this kind last succeeded; 0 for a backup that is wanted and never did.",
        "kind",
        _last_success(jobs),
    )
    progress = {job.kind: job.done / job.total for job in jobs.at_work if job.total}
    yield _labelled("faq_job_progress_ratio", "How far the running jobs are.", "kind", progress)


def _last_success(jobs: Jobs) -> dict[str, float]:
    wanted = {Job.Kind.BACKUP.value: 0.0} if settings.BACKUP_COMMAND else {}
    return wanted | {kind: at.timestamp() for kind, at in jobs.last_success.items()}


def _release(taken: Snapshot) -> Iterator[Metric]:
    if taken.migrations is not None:
        applied, pending = (sum(getattr(one, name) for one in taken.migrations) for name in ("applied", "pending"))
        numbers = {"applied": float(applied), "pending": float(pending)}
        yield _labelled("faq_migrations", "Migrations that the database has, and that it lacks.", "state", numbers)
    info = GaugeMetricFamily("faq_build_info", "The release that answers.", labels=["image", "environment"])
    info.add_metric([taken.image or "none", settings.DJANGO_ENV], 1.0)
    yield info


def _job_runners() -> Iterator[Metric]:
    """RQ's own lists, and who does jobs. A Redis that is away is waited for once; without them nothing has failed."""
    try:
        if settings.REDIS_URL:
            numbers = {name: float(count) for name, count in runners.queues().items()}
            yield _labelled("faq_queue_messages", "Numbers of jobs in RQ's lists.", "list", numbers)
        number = runners.get_runner().workers()
    except ServiceUnavailable:
        return
    yield _gauge("faq_job_workers", "Processes and threads that do jobs.", number)


def _machine() -> Iterator[Metric]:
    places = {"data": Path(settings.DATA_DIR), "metrics": slots.counting_in()}
    free = {name: _free(place) for name, place in places.items() if place is not None and place.exists()}
    yield _labelled("faq_filesystem_free_ratio", "Free room where this product writes.", "place", free)
    if (expiry := _certificate_expiry()) is not None:
        yield _gauge("faq_tls_certificate_expiry_timestamp_seconds", "When the certificate expires.", expiry)
    directory = slots.counting_in()
    if directory is not None:
        files = len(list(directory.glob("*.db")))
        yield _gauge("faq_metrics_files", "Files in which web processes count.", files)
    memory = _resident_bytes()
    yield _labelled("faq_web_resident_bytes", "Memory of the web processes: all, and the largest.", "of", memory)


def _certificate_expiry() -> float | None:
    """Of the file that TLS_CERTIFICATE_FILE names. The standard library reads one, though it does not say so."""
    if not settings.TLS_CERTIFICATE_FILE:
        return None
    found: dict[str, str] = ssl._ssl._test_decode_cert(str(settings.TLS_CERTIFICATE_FILE))  # type: ignore[attr-defined]  # no public function reads a certificate
    return float(ssl.cert_time_to_seconds(found["notAfter"]))


def _free(place: Path) -> float:
    found = os.statvfs(place)
    return found.f_bavail / found.f_blocks if found.f_blocks else 1.0


def _resident_bytes() -> dict[str, float]:
    """This process and its siblings, which the master has forked."""
    master = os.getppid() if slots.counting_in() else os.getpid()
    children = Path(f"/proc/{master}/task/{master}/children")
    siblings = children.read_text().split() if slots.counting_in() and children.exists() else [str(os.getpid())]
    sizes = [size for pid in siblings if (size := _resident(pid))]
    return {"all": sum(sizes), "largest": max(sizes)}


def _resident(pid: str) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # it has just ended
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
