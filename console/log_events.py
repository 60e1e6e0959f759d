"""The closed catalogue of what we log: each message with the name of its event, to search by and to alert on.

A line of ours that is not listed here fails a test. Lines of libraries are one event: `library`.
"""

from __future__ import annotations

import logging

FLOORS = ("console", "monitoring", "rag", "faq")
# By the message as it is in the code, before its arguments are filled in.
EVENTS = {
    # answers
    "answer given": "answer",
    "fallback: %s %s": "fallback",
    "the asker left before the answer was whole": "answer_aborted",
    "breaker %s: %s (%s)": "breaker",
    "breaker probe failed: %s": "breaker_probe",
    "Gemini's key stays as it was: its file cannot be read (%s)": "key_unreadable",
    "Gemini's key stays as it was: its file does not hold one key": "key_wrong",
    "receipt not written: %s": "receipt_lost",
    "receipts wait for the database: %s": "receipts_wait",
    "what is done beside receipts failed": "receipts_beside_failed",
    "unexpected failure in the public door": "failure",
    "the database did not answer: %s": "database_away",
    "rate limit refused a request": "rate_limited",
    "rate limit would refuse": "rate_limit_exceeded",
    "rate limits: Redis did not answer (%s), counting alone": "rate_limit_alone",
    "the wording sample could not be read: %s": "wording_lost",
    # index and jobs
    "job ended": "job_ended",
    "not cleaned up: %s": "cleanup_failed",
    "%s refused: %s": "job_refused",
    "%s stopped: %s": "job_stopped",
    "another worker has this job now": "job_taken_over",
    "a job lost its worker and is taken up again": "job_adopted",
    "a job waits for the sweep: %s": "job_not_enqueued",
    "the job loop goes on after an error": "job_loop_error",
    "the worker waits for Redis: %s": "worker_waits",
    "an entry could not be indexed": "entry_failed",
    "generation promoted": "generation_promoted",
    "generation reclaimed": "generation_reclaimed",
    "collection has another dimension or distance": "collection_wrong",
    "collection has lost its points": "collection_emptied",
    "likeness by words alone: %s": "likeness_by_words",
    # dependencies and metrics
    "dependency down: %s": "dependency_down",
    "dependency back: %s": "dependency_back",
    "check failed": "check_failed",
    "the health record waits for the database": "health_record_waits",
    "the health record goes on after an error": "health_record_error",
    "the state is not wholly known: %s": "state_unknown",
    "metrics left out: %s": "metrics_incomplete",
    "no room reserved for metrics: %s": "metrics_no_room",
    # backup
    "backup taken": "backup_taken",
    "the vectors are not in this backup, and will be made anew: %s": "backup_without_vectors",
    # console
    "audit: %s %s %s": "audit",
    "login refused": "login_refused",
    "rate limit refused a login": "login_limited",
    "rate limit would refuse a login": "login_limit_exceeded",
    # start and end
    "a rung is missing until this is mended: %s": "rung_missing",
    "warm-up failed; the first question does it again": "warm_up_failed",
    "%s has ended, with status %d": "process_ended",
    "%s to %s": "process_signalled",
    "starting %s": "starting",
    "ready: nothing else to do": "start_ready",
    "check --deploy: %s": "deploy_check",
    "%d migrations to apply": "migrations_found",
    "%d migrations applied in %.1f s": "migrations_applied",
    "migrations: nothing to apply": "migrations_none",
    "another process is migrating; looking again in %.2g s": "migrations_elsewhere",
    "waiting until %d migrations are applied; looking again in %.2g s": "migrations_awaited",
    "a table is held by a query; migrating again in %.2g s": "migrations_blocked",
    "%d static files published in %s": "static_published",
    "waiting for %s: %s; next attempt in %.2g s": "dependency_awaited",
    "%s answers, after %.1f s": "dependency_ready",
    "%s does not answer: %s; given up after %.1f s": "dependency_given_up",
}
# Fields whose value is text of askers or editors: never in a log, whoever passes them on.
PRIVATE_FIELDS = frozenset({"question", "answer_text", "text", "body", "prompt", "query", "params", "sql"})


def name_of(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] not in FLOORS:
        return "library"
    return EVENTS.get(str(record.msg), "start_refused" if record.levelno >= logging.CRITICAL else "unlisted")
