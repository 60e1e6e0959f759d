"""Migrations, applied exactly once however many replicas start: under a lock that the database itself holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from console.start.checks import give_up
from console.start.waiting import TRY_LATER, pauses

logger = logging.getLogger("console.start")

LOCK = 0x57EADFA57  # the key of the advisory lock: any number that nobody else uses
LOCK_TIMEOUT = "5s"  # a table that a query holds for longer is tried again, instead of holding up everyone behind us
TRIES = 5
WAIT_SECONDS = 600.0


def bring_up_to_date(*, apply: bool) -> None:
    """Apply what is pending, or wait until somebody has. Exit status 75 when neither came to an end.

    The plan is made anew once the lock is ours: whoever held it before may have done everything.
    """
    if not apply:
        _wait_for_others()
        return
    began = time.monotonic()
    with _alone():
        plan = _plan()
        if plan:
            logger.info("%d migrations to apply", len(plan))
            _migrate()
    if plan:
        logger.info("%d migrations applied in %.1f s", len(plan), time.monotonic() - began)
    else:
        logger.info("migrations: nothing to apply")


def pending() -> int:
    return len(_plan())


@contextmanager
def _alone() -> Iterator[None]:
    """The lock goes with the connection, so a process that dies gives it back."""
    from django.db import connection

    if connection.vendor != "postgresql":  # SQLite lets one write at a time anyway
        yield
        return
    with connection.cursor() as cursor:
        _take_the_lock(cursor)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
            connection.close()


def _take_the_lock(cursor: Any) -> None:
    """By asking again and again: a statement that waits would run into the limits that protect everything else."""
    began = time.monotonic()
    for pause in pauses(longest=1.0):
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            return
        if time.monotonic() - began > WAIT_SECONDS:
            give_up("Another process has been migrating for too long. Its log says what it is at.", TRY_LATER)
        logger.info("another process is migrating; looking again in %.2g s", pause)
        time.sleep(pause)


def _plan() -> list[Any]:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return list(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import OperationalError, connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
            cursor.execute("SELECT set_config('statement_timeout', '0', false)")
    for attempt, pause in zip(range(1, TRIES + 1), pauses(1.0), strict=False):
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            if attempt == TRIES or "lock timeout" not in str(error):
                raise
            logger.warning("a table is held by a query; migrating again in %.2g s", pause)
            time.sleep(pause)
        else:
            return


def _wait_for_others() -> None:
    from django.db import connection

    began = time.monotonic()
    for pause in pauses():
        count = pending()
        if not count:
            return
        if time.monotonic() - began > WAIT_SECONDS:
            give_up(f"{count} migrations are still to apply, and MIGRATE_AT_START is false here.", TRY_LATER)
        logger.info("waiting until %d migrations are applied; looking again in %.2g s", count, pause)
        connection.close()
        time.sleep(pause)
