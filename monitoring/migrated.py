"""Which migrations the code brings, and which the database has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


@dataclass(frozen=True, slots=True)
class AppMigrations:
    app: str
    applied: int
    pending: int
    head: str  # the last one that the code brings


def by_app() -> list[AppMigrations]:
    """One query, and the files are read once in the life of the process. Raises django.db.Error."""
    applied = set(MigrationRecorder(connection).applied_migrations())
    return [
        AppMigrations(app, len(names & {name for of, name in applied if of == app}), _missing(app, applied), max(names))
        for app, names in sorted(_known().items())
    ]


def pending() -> int:
    """How many are still to be applied. Raises django.db.Error."""
    return sum(one.pending for one in by_app())


def _missing(app: str, applied: set[tuple[str, str]]) -> int:
    return sum((app, name) not in applied for name in _known()[app])


@cache
def _known() -> dict[str, frozenset[str]]:
    """By app. Of squashed ones and those that they replace, whichever the loader goes by."""
    nodes = MigrationLoader(None, ignore_no_migrations=True).graph.nodes
    return {app: frozenset(name for of, name in nodes if of == app) for app, _ in nodes}
