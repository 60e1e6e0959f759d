"""What we depend on and what is noticed while it is out: one list for probe, console and metric."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from monitoring import migrated
from monitoring.asking import Check, NotKnown, NotWell, Reading, State, forget, read
from rag.answering import generator_probe
from rag.errors import ServiceUnavailable
from rag.index import embedding, generations, runners

__all__ = ["CHECKS", "Check", "Reading", "State", "forget", "readings"]

FRESH_SECONDS = 10.0
AT_ONCE_SECONDS = 1.0  # even who asks anew again and again asks no oftener


def readings(*, fresh: bool = False) -> list[Reading]:
    """Every check, in the order of CHECKS, within a quarter of a second; as of some seconds ago unless `fresh`."""
    return read(CHECKS, older_than=AT_ONCE_SECONDS if fresh else FRESH_SECONDS)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    by_app = migrated.by_app()
    if pending := [one.app for one in by_app if one.pending]:
        raise NotWell(f"to apply in {', '.join(pending)}: run manage.py migrate")
    return f"{sum(one.applied for one in by_app)} applied"


def _workers() -> str:
    try:
        number = runners.get_runner().workers()
    except ServiceUnavailable as error:
        raise NotKnown("Redis is away, and with it the workers' names") from error
    if not number:
        raise ServiceUnavailable("workers", "missing", "nobody does the jobs")
    return f"{number} at work" if settings.REDIS_URL else "a thread of the web process"


CHECKS: tuple[Check, ...] = (
    Check(
        name="database",
        titled=lambda: "PostgreSQL" if connection.vendor == "postgresql" else "SQLite",
        critical=True,
        effect="Askers are offered the closest questions that the process remembers; nothing can be saved.",
        runbook="database-down",
        probe=_database,
    ),
    Check(
        name="migrations",
        titled=lambda: "Migrations",
        critical=True,
        effect="This release is sent no requests until the database has its migrations.",
        runbook="migrations-pending",
        probe=_migrations,
    ),
    Check(
        name="redis",
        titled=lambda: "Redis",
        effect="Answers are not kept, so each takes its full time; jobs start some seconds later.",
        runbook="redis-down",
        probe=runners.probe,
        wanted=lambda: bool(settings.REDIS_URL),
    ),
    Check(
        name="vector_store",
        titled=lambda: "Qdrant" if settings.QDRANT_URL else "Embedded vectors",
        effect="Questions are answered by text search: only those that share words with an entry find it.",
        runbook="vector-store-down",
        probe=generations.probe,
    ),
    Check(
        name="generator",
        titled=lambda: "Gemini",
        effect="Entries answer in their own words; nothing is phrased for the question.",
        runbook="generator-down",
        probe=generator_probe.probe,
        wanted=lambda: bool(settings.GENERATOR),
    ),
    Check(
        name="embedder",
        titled=lambda: "Embedding model",
        effect="Questions are answered by text search, and edits wait for their vectors.",
        runbook="embedder-down",
        probe=lambda: f"{embedding.ready()} dimensions",
    ),
    Check(
        name="workers",
        titled=lambda: "Workers",
        effect="Edits are saved, and not found by meaning until a worker is back.",
        runbook="no-job-workers",
        probe=_workers,
    ),
)
