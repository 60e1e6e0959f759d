"""What must be right before anything listens: the database's version, and Django's own checks of a deployment."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import NoReturn

from console.environment import INVALID, Environment

logger = logging.getLogger("console.start")

OLDEST = 15  # of PostgreSQL
MOST_WORKERS = 64


def set_up(environment: Environment) -> None:
    """Django with its settings and logs; on the direct way to the database where there is one."""
    import django
    from django.conf import settings

    if environment.direct_database:
        from console.settings.stores import databases

        settings.DATABASES = databases(environment, direct=True)
    django.setup()


def of_database() -> None:
    """Exit status 78 for a PostgreSQL that is too old. SQLite, a laptop's, has nothing to be asked."""
    from django.db import NotSupportedError, connection

    if connection.vendor != "postgresql":
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0]) // 10_000
    except NotSupportedError:  # Django's own floor lies below ours
        version = 0
    if version < OLDEST:
        found = f"version {version}" if version else "older still"
        give_up(f"PostgreSQL {OLDEST} or newer is required; this server is {found}. Upgrade it, or name another.")


def of_deployment() -> None:
    """`check --deploy`: an error ends the start, a warning is a line in the log."""
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    heard = io.StringIO()
    try:
        call_command("check", deploy=True, stdout=heard, stderr=heard)
    except SystemCheckError as error:
        give_up(str(error))
    for line in heard.getvalue().splitlines():
        if line.startswith("?:"):
            logger.warning("check --deploy: %s", line.removeprefix("?: "))


def of_concurrency() -> None:
    """Gunicorn reads WEB_CONCURRENCY itself, and an empty one, as compose files have them, would be a traceback."""
    given = os.environ.pop("WEB_CONCURRENCY", "").strip()
    if given and not (given.isdigit() and 1 <= int(given) <= MOST_WORKERS):
        give_up(f"WEB_CONCURRENCY must be a whole number from 1 to {MOST_WORKERS}. Correct it, or leave it out.")
    os.environ |= {"WEB_CONCURRENCY": given} if given else {}


def give_up(sentence: str, status: int = INVALID) -> NoReturn:
    """Without a traceback: the sentence is the whole story."""
    logger.critical(sentence)
    sys.exit(status)
