"""A database that answers nothing: everything asked of it ends with the asker's time, however much is asked."""

from __future__ import annotations

from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]  # it brings no types
import psycopg
import pytest
from django.db import OperationalError

from rag.answering import database
from rag.answering.database import DATABASE_BREAKER, asking
from rag.errors import ServiceUnavailable
from rag.resilience import Deadline
from rag.silence import BoundedConnection, no_longer_than
from tests.servers import Postgresql


@pytest.fixture(scope="module")
def own() -> Iterator[Postgresql]:
    """To be stopped as it runs."""
    with Postgresql() as server:
        yield server


@pytest.fixture
def stands_still(own: Postgresql) -> Iterator[Postgresql]:
    """Its processes are stopped once the test calls it, and go on afterwards."""
    yield own
    for process in every(own):
        process.resume()


def every(server: Postgresql) -> list[psutil.Process]:
    assert server._process is not None
    first = psutil.Process(server._process.pid)
    return [first, *first.children(recursive=True)]


def test_queries_that_hang_one_after_the_other_share_one_limit(stands_still: Postgresql) -> None:
    """Five of them, on five connections: each has what is left, and none a limit of its own."""
    url = stands_still.url("postgres")
    lines = [BoundedConnection.connect(url, autocommit=True) for _ in range(5)]
    for process in every(stands_still):
        process.suspend()
    limits = []
    with no_longer_than(1.0):
        for line in lines:
            with pytest.raises(psycopg.OperationalError, match="nothing heard of PostgreSQL for") as hung:
                line.execute("SELECT 1")
            limits.append(str(hung.value).split()[-2])
            assert line.closed
    assert limits == ["1.0", *["0.1"] * 4]  # all of it, and then the least that any is given


def test_after_the_first_that_hung_nobody_asks_again_and_memory_answers(
    stands_still: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The breaker opens with the first; the questions that follow are not put at all."""
    line = BoundedConnection.connect(stands_still.url("postgres"), autocommit=True)
    monkeypatch.setattr(database, "bounded", lambda deadline: no_longer_than(deadline.left() / 2))
    for process in every(stands_still):
        process.suspend()
    deadline, put = Deadline(1.0), []

    def ask() -> str:
        try:
            with asking(deadline):
                put.append(1)
                try:
                    line.execute("SELECT 1")
                except psycopg.OperationalError as error:
                    raise OperationalError(str(error)) from error
        except ServiceUnavailable as unavailable:
            return unavailable.reason
        return "answered"

    assert [ask() for _ in range(5)] == ["timeout", *["breaker_open"] * 4]
    assert len(put) == 1
    assert deadline.left() > 0  # what the other half is for: an answer from memory
    assert DATABASE_BREAKER.is_open
