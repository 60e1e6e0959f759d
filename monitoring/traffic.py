"""What this process is at: requests under way, its database connections, logins. Counted where Django tells of it."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.signals import request_finished, request_started
from django.db import connection
from prometheus_client import Counter, Gauge

logger = logging.getLogger(__name__)

IN_PROGRESS = Gauge(
    "faq_http_requests_in_progress", "Requests that are being answered just now.", multiprocess_mode="livesum"
)
THREADS = Gauge("faq_web_threads", "Requests that can be answered at once.", multiprocess_mode="livesum")
WORKER_EXITS = Counter("faq_web_worker_exits_total", "Web workers that ended: recycled, or not of their own will.")
POOL = Gauge(
    "faq_db_pool_connections",
    "Pooled database connections: open, idle, and requests that wait for one.",
    ["state"],
    multiprocess_mode="livesum",
)
LOGINS = Counter("faq_logins_total", "Logins to the console.", ["result"])


def connect() -> None:
    request_started.connect(_started, dispatch_uid="monitoring.traffic")
    request_finished.connect(_finished, dispatch_uid="monitoring.traffic")
    user_logged_in.connect(_logged_in, dispatch_uid="monitoring.traffic")
    user_login_failed.connect(_login_failed, dispatch_uid="monitoring.traffic")


def _started(**_: Any) -> None:
    IN_PROGRESS.inc()


def _finished(**_: Any) -> None:
    IN_PROGRESS.dec()
    pool = getattr(connection, "_connection_pools", {}).get(connection.alias)
    if pool is not None:
        stats = pool.get_stats()
        POOL.labels("open").set(stats["pool_size"])
        POOL.labels("idle").set(stats["pool_available"])
        POOL.labels("waiting").set(stats["requests_waiting"])


def _logged_in(**_: Any) -> None:
    LOGINS.labels("ok").inc()


def _login_failed(**_: Any) -> None:
    LOGINS.labels("refused").inc()
    logger.warning(
        "login refused"
    )  # whose name was tried is not told: it may be a password, typed into the wrong field
