"""The entrypoint: a checked environment, what is needed awaited, migrations applied once; then the process itself."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable

from console.environment import Environment, current

logger = logging.getLogger("console.start")

POOL = 8  # connections of a web process where DB_POOL_MAX says nothing: one for each of its threads


def main() -> None:
    """Ends with 78 when only a person can mend it, with 75 when another attempt may help, else becomes the process."""
    parser = argparse.ArgumentParser(prog="python -m console.start", description=__doc__)
    parser.add_argument("role", choices=sorted(ROLES), help="what this container is")
    role: str = parser.parse_args().role
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    environment = current()
    # The start itself takes one connection of its own, and the time that migrations need.
    os.environ.pop("DB_POOL_MAX_FILE", None)
    os.environ["DB_POOL_MAX"] = "0"
    _prepare(environment)
    ROLES[role](environment)


def _prepare(environment: Environment) -> None:
    from console.start import checks, migrations, waiting

    checks.set_up(environment)
    waiting.for_database()
    checks.of_database()
    checks.of_deployment()
    migrations.bring_up_to_date(apply=environment.MIGRATE_AT_START)


def _web(environment: Environment) -> None:
    from console.start import checks, static_files, waiting

    waiting.for_services(environment)
    static_files.publish()
    checks.of_concurrency()
    os.environ["DB_POOL_MAX"] = str(environment.DB_POOL_MAX or POOL)
    _become(sys.executable, "-m", "gunicorn", "--config", "python:console.gunicorn")


def _worker(environment: Environment) -> None:
    from console.start import waiting

    waiting.for_services(environment)
    _become(sys.executable, "-m", "django", "work")


def _migrate(environment: Environment) -> None:
    logger.info("ready: nothing else to do")


def _become(*command: str) -> None:
    """The same process goes on as that program, so that signals reach it and its exit status is ours."""
    logger.info("starting %s", " ".join(command[2:]))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606  # every word of it is ours


ROLES: dict[str, Callable[[Environment], None]] = {"web": _web, "worker": _worker, "migrate": _migrate}

if __name__ == "__main__":
    main()
