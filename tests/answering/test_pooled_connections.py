"""What the pool hands out works, and is not asked whether it does when it was heard of a moment ago."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from rag import silence
from rag.silence import BoundedConnection
from tests.servers import Postgresql


class Counting(BoundedConnection):
    asked = 0

    def wait(self, *given: Any, **options: Any) -> Any:
        type(self).asked += 1
        return super().wait(*given, **options)


@pytest.fixture
def url(postgresql: Postgresql) -> str:
    return postgresql.new_database(f"pooled_{uuid.uuid4().hex}")


@pytest.fixture
def pool(url: str) -> Iterator[ConnectionPool[Counting]]:
    with ConnectionPool(
        url,
        min_size=1,
        max_size=1,
        connection_class=Counting,
        kwargs={"autocommit": True},
        check=ConnectionPool.check_connection,
    ) as pool:
        yield pool


def one(pool: ConnectionPool[Counting]) -> int:
    """How often the server was asked for one statement."""
    before = Counting.asked
    with pool.connection() as connection:
        connection.execute("SELECT 1")
    return Counting.asked - before


def test_one_just_heard_of_is_not_asked(pool: ConnectionPool[Counting], monkeypatch: pytest.MonkeyPatch) -> None:
    one(pool)
    without_a_look = one(pool)
    monkeypatch.setattr(silence, "FRESH_SECONDS", 0.0)
    assert one(pool) == without_a_look + 1


def test_one_that_its_server_hung_up_on_is_replaced(pool: ConnectionPool[Counting], url: str) -> None:
    with pool.connection() as connection:
        pid = connection.info.backend_pid
    with psycopg.connect(url, autocommit=True) as another:
        another.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])  # and waits until it has ended
    assert one(pool)
