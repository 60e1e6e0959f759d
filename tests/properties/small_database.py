"""A database as five small migrations left it, and the entrypoint up to the moment when it becomes the server."""

from __future__ import annotations

from functools import cache

import psycopg
from hypothesis import strategies as st

from tests.deploy.containers import environment

SMALL = {"DJANGO_SETTINGS_MODULE": "tests.properties.small.settings"}
LEDGER = "CREATE TABLE django_migrations (id serial PRIMARY KEY, app text, name text, applied timestamptz)"
BECOMING = """
import os, runpy
from console.start import waiting
waiting.SERVICE_SECONDS = 0.0
def become(program, command):
    import psycopg
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        numbers = [row[0] for row in connection.execute("SELECT number FROM marks ORDER BY 1")]
    print("BECOMES", *command[2:], "WITH", numbers)
    raise SystemExit(0)
os.execv = become
{before}
runpy.run_module("console.start", run_name="__main__")
"""


def becoming(before: str = "") -> str:
    """The entrypoint, which tells what the database holds where it would become the server."""
    return BECOMING.replace("{before}", before)


def at(url: str, done: int) -> None:
    """As if the first `done` migrations had been applied by an earlier release."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS marks, django_migrations")
        if done:
            connection.execute("CREATE TABLE marks (number integer)")
            connection.execute(LEDGER)
        for number in range(1, done + 1):
            connection.execute("INSERT INTO marks VALUES (%s)", [number])
            connection.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('small', %s, now())", [f"{number:04}_mark"]
            )


def marks(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM marks ORDER BY 1").fetchall()]


@cache
def environment_of(url: str) -> dict[str, str]:
    """A container's, with one port for all starts."""
    return environment(url, **SMALL)


# What else may differ from one start to the next.
variations = st.fixed_dictionaries(
    {
        "LOG_LEVEL": st.sampled_from(["DEBUG", "INFO"]),
        "CACHE_TTL": st.integers(0, 9_999).map(str),
        "MIGRATE_AT_START": st.sampled_from(["", "true", "1", "on"]),
    }
)
