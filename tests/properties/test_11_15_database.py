"""The database: its version, its connections, its migrations, its backups, and that it keeps what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from console.environment import INVALID
from tests.properties.composed import kept_by_a_volume
from tests.properties.databases import Ledger, OtherPostgresql, asked_by, healed_by, pooled
from tests.properties.proof import booted, proof
from tests.properties.small_database import at, becoming, environment_of, marks, variations
from tests.properties.starts import Starts
from tests.servers import Postgresql, until

CHECKED = """
import django
django.setup()
from console.start import checks
checks.of_database()
print("ACCEPTED")
"""


@pytest.fixture(scope="module")
def line(postgresql: Postgresql) -> Iterator[OtherPostgresql]:
    with psycopg.connect(postgresql.url("postgres")) as connection:
        (real,) = connection.execute("SHOW server_version_num").fetchone() or (0,)
    with closing(OtherPostgresql(postgresql.port, b"")) as other:
        other.real = int(real)
        yield other


@proof("the entrypoint's check against the real server, whose version a line in between changes", boots="tests/deploy")
@given(major=st.integers(10, 18), minor=st.integers(0, 9_999))
def test_property_11_nothing_older_than_15(
    starts: Starts, postgresql: Postgresql, line: OtherPostgresql, major: int, minor: int
) -> None:
    """Feature: production-deployment, Property 11: PostgreSQL Version Compliance

    For any database connection, the PostgreSQL version should be 15.0 or higher
    """
    line.version_number = major * 10_000 + minor
    url = f"postgresql://steadfast@127.0.0.1:{line.port}/postgres?sslmode=disable&gssencmode=disable"
    end = starts.one(CHECKED, environment_of(url))
    if major >= 15:
        assert (end.status, end.out) == (0, "ACCEPTED\n"), end.text
    else:
        assert end.status == INVALID, end.text
        assert "PostgreSQL 15 or newer is required" in end.text


@proof("Django's pool by our settings before the real PostgreSQL", boots="tests/deploy: Gunicorn with its pool")
@given(most=st.integers(1, 6), rounds=st.lists(st.integers(1, 12), min_size=2, max_size=3), cut=st.booleans())
def test_property_12_connections_are_pooled(
    postgresql: Postgresql, django_db_blocker: DjangoDbBlocker, most: int, rounds: list[int], cut: bool
) -> None:
    """Feature: production-deployment, Property 12: Connection Pooling Configuration

    For any database connection establishment, the Django application should use connection pooling settings for
    efficient resource management
    """
    with django_db_blocker.unblock(), pooled(postgresql.url("postgres"), most) as connection_of:
        full = asked_by(connection_of, most, together=True)
        assert len(set(full)) == most
        for threads in rounds:
            assert set(asked_by(connection_of, threads, together=False)) <= set(full)  # the same ones again
        if cut:
            with psycopg.connect(postgresql.url("postgres")) as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [full])
            healed = until(lambda: healed_by(connection_of), "the pool has fresh connections")
            assert not set(healed) & set(full)


@pytest.fixture(scope="module")
def small(postgresql: Postgresql) -> str:
    return postgresql.new_database("properties_parallel")


@proof("entrypoints that start together, with five small migrations", boots="tests/deploy/test_start.py: six replicas")
@given(done=st.integers(0, 5), replicas=st.integers(2, 4), role=st.sampled_from(["migrate", "web"]), more=variations)
def test_property_13_however_many_start_each_migration_runs_once(
    starts: Starts, small: str, done: int, replicas: int, role: str, more: dict[str, str]
) -> None:
    """Feature: production-deployment, Property 13: Migration Automation

    For any deployment process, all Django migrations should be automatically applied to the database before the
    application serves requests
    """
    at(small, done)
    patience = "import console.start.migrations as m; m.pauses = lambda *a, **k: iter(lambda: 0.01, None)"
    ends = starts.run(becoming(patience), environment_of(small) | more, role, times=replicas)
    assert [end.status for end in ends] == [0] * replicas, "\n".join(end.text for end in ends)
    assert marks(small) == [1, 2, 3, 4, 5]
    assert sum("migrations applied in" in end.text for end in ends) == (done < 5)
    if role == "web":
        assert all("WITH [1, 2, 3, 4, 5]" in end.out for end in ends)


TABLE = """
CREATE TABLE faq (
    id serial PRIMARY KEY, question text UNIQUE NOT NULL, variants text[], made timestamptz DEFAULT now()
)"""
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
rows = st.lists(st.tuples(texts, st.lists(texts, max_size=3)), max_size=8, unique_by=lambda one: one[0])
HASH = "SELECT md5(coalesce(string_agg(faq::text, '|' ORDER BY id), '')), count(*) FROM faq"


DUMPED = """
import django
django.setup()
from pathlib import Path
from console.backup import database
with database.frozen() as moment:
    database.dump(Path(folder), moment)
"""
RESTORED = """
import django
django.setup()
from pathlib import Path
from console.backup import database
database.load(Path(folder), replace=True)
"""


@pytest.fixture(scope="module")
def pair(postgresql: Postgresql) -> tuple[str, str]:
    source, target = (postgresql.new_database(f"properties_{name}") for name in ("source", "target"))
    with psycopg.connect(source) as connection:
        connection.execute(TABLE)
    return source, target


@proof(
    "pg_dump and pg_restore as our backup calls them, on a table of texts, lists, serials and constraints",
    boots="tests/deploy/test_backup.py: the whole product backed up and restored",
)
@given(rows=rows)
def test_property_14_what_is_dumped_is_restored(
    starts: Starts, tmp_path_factory: pytest.TempPathFactory, pair: tuple[str, str], rows: list[tuple[str, list[str]]]
) -> None:
    """Feature: production-deployment, Property 14: Backup Tool Compatibility

    For any PostgreSQL database instance, standard PostgreSQL backup tools (pg_dump, pg_restore) should work correctly
    """
    source, target = pair
    with psycopg.connect(source) as connection:
        connection.execute("TRUNCATE faq RESTART IDENTITY")
        for one in rows:
            connection.execute("INSERT INTO faq (question, variants) VALUES (%s, %s)", one)
        before = connection.execute(HASH).fetchone()
    folder = str(tmp_path_factory.mktemp("dump"))
    dumped = starts.one(DUMPED, environment_of(source), folder=folder)
    assert dumped.status == 0, dumped.text
    restored = starts.one(RESTORED, environment_of(target), folder=folder)
    assert restored.status == 0, restored.text
    with psycopg.connect(target) as connection:
        assert connection.execute(HASH).fetchone() == before
        (new,) = connection.execute(
            "INSERT INTO faq (question) VALUES (repeat('new', 99)) RETURNING id"
        ).fetchone() or (0,)
        assert new == len(rows) + 1  # its sequence goes on
        if rows:
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO faq (question) VALUES (%s)", [rows[0][0]])


@pytest.fixture(scope="module")
def own() -> Iterator[Ledger]:
    with Postgresql() as server:
        yield Ledger(server)


@proof(
    "the real server on a folder that it keeps, killed with kill -9 while it is written to in some of the examples",
    boots="containers made anew on the same volume",
)
@given(
    batches=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    killed=st.sampled_from(["no"] * 9 + ["started anew", "made anew"]),
)
def test_property_15_what_was_acknowledged_is_kept(own: Ledger, batches: list[int], killed: str) -> None:
    """Feature: production-deployment, Property 15: Data Persistence

    For any container restart or recreation, database data should persist through Docker volumes
    """
    for size in batches:
        own.write(size)
    if killed != "no":
        booted(15)
        own.killed_while_writing(made_anew=killed == "made anew")
    there = own.there()
    assert own.acknowledged <= there <= own.attempted
    assert kept_by_a_volume("db", "/var/lib/postgresql/data")
