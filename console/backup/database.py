"""The database into a file and out of it, by its own tools."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connection, transaction

from console.backup import BackupError
from console.environment import current
from console.environment.database import Database

DUMP, FILE = "database.dump", "database.sqlite3"
DEBIAN = Path("/usr/lib/postgresql")
# Of the options in DATABASE_URL, those that say how to get there; the others are for sessions of ours.
NOT_FOR_TOOLS = {"options", "application_name"}


@contextmanager
def frozen() -> Iterator[str]:
    """One moment of the database, for counting and dumping alike; gives the name of that moment."""
    if connection.vendor != "postgresql":
        yield ""
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        yield str(cursor.fetchone()[0])


def dump(folder: Path, moment: str) -> None:
    """Raises BackupError."""
    if connection.vendor == "postgresql":
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={moment}", "-f", folder / DUMP)
        return
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
        closing(sqlite3.connect(folder / FILE)) as to,
    ):
        source.backup(to)


def load(folder: Path, *, replace: bool) -> None:
    """Into the database that the settings name; raises BackupError, and has changed nothing then."""
    if connection.vendor == "postgresql":
        if _tables() and not replace:
            raise BackupError("The database is not empty. Give --replace to put the backup in place of what it holds.")
        over = ["--clean", "--if-exists"] if replace else []
        connection.close()
        options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", *over]
        _run("pg_restore", *options, "--dbname", "", folder / DUMP)
        return
    target = Path(connection.settings_dict["NAME"])
    connection.close()
    if target.exists() and not replace:
        raise BackupError(f"{target} is there already. Give --replace to put the backup in its place.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / FILE)) as source, closing(sqlite3.connect(target)) as to:
        source.backup(to)


def server_version() -> str:
    if connection.vendor != "postgresql":
        return sqlite3.sqlite_version
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0]).split()[0]


def _tables() -> list[str]:
    return connection.introspection.table_names()


def _run(tool: str, *arguments: str | Path) -> None:
    database = current().direct_database or current().database
    program = _program(tool, int(server_version().split(".")[0]))
    words = [_conninfo(database) if word == "" else word for word in arguments]
    if tool == "pg_dump":
        words += ["--dbname", _conninfo(database)]
    environment = {**os.environ, "PGPASSWORD": database.password, "PGAPPNAME": "steadfast backup"}
    done = subprocess.run(  # noqa: S603  # every word of it is ours
        [program, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BackupError(f"{tool} ended with status {done.returncode}: {last}")


def _conninfo(database: Database) -> str:
    """Without the password, which every user of the machine could read in the list of processes."""
    host = {"host": database.host, "port": str(database.port or ""), "user": database.user, "dbname": database.name}
    known = host | {key: value for key, value in database.options.items() if key not in NOT_FOR_TOOLS}
    return " ".join(f"{key}='{_quoted(value)}'" for key, value in known.items() if value)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _program(tool: str, server: int) -> Path:
    """The newest that is here and not older than the server: an older one would refuse, or lose something."""
    found = {
        path: _major(path) for path in [*DEBIAN.glob(f"*/bin/{tool}"), *map(Path, filter(None, [shutil.which(tool)]))]
    }
    fit = [path for path, major in found.items() if major >= server]
    if not fit:
        raise BackupError(f"{tool} {server} or newer is needed for this server. Install postgresql-client-{server}.")
    return min(fit, key=lambda path: found[path])


def _major(program: Path) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603  # a name of ours
    number = re.search(r"(\d+)(\.|\s|$)", told)
    return int(number[1]) if number else 0
