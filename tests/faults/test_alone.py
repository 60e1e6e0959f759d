"""Each fault by itself, on one product: every question answered in time, noticed within seconds, healed by itself.

`make drill-faults` takes all of them and measures them beside the text-only path; here today's one is taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psycopg
import pytest

from tests.faults import ground as grounds
from tests.faults.crowd import Asked, Crowd
from tests.faults.ground import FAULTS, MORE, Fault, Ground
from tests.faults.noticing import Notice
from tests.faults.records import FOLDER, Alone, keep, times
from tests.servers import until

EVERY = FAULTS | MORE
NOTICED_WITHIN = 15.0
RECOVERS_WITHIN = 30.0
LATE = 3.0
WORKERS = 2  # each with breakers of its own
# A process that is replaced in the midst of a fault takes its open breaker with it, and is missed.
PROCESSES = {"WEB_CONCURRENCY": str(WORKERS), "MAX_REQUESTS": "0"}
# The breaker that opens, where there is one.
BREAKERS = {"Qdrant": "vector store", "Gemini": "generator", "PostgreSQL": "database", "Redis": "redis"}
SETTLES = 3.0  # an order is looked for every two seconds
MEASURED = 24.0 if FOLDER else 1.0
PAUSE = 0.15  # what is measured is how long an answer takes, and not a machine that has more to do than it can


def taken() -> list[str]:
    names = sorted(EVERY)
    return names if FOLDER else [names[date.today().toordinal() % len(names)]]


@pytest.fixture(scope="module")
def ground(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ground(tmp_path_factory.mktemp("alone"), qdrant_url, **PROCESSES) as ground:
        yield grounds.warm(ground)


@pytest.fixture(scope="module")
def unbroken(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground | None]:
    """Another product at the same time, where it is measured: what slows the machine for a moment slows both."""
    if not FOLDER:
        yield None
        return
    with grounds.ground(tmp_path_factory.mktemp("unbroken"), qdrant_url, **PROCESSES) as ground:
        yield grounds.warm(ground)


def order(ground: Ground, service: str, *, tripped: bool) -> None:
    """An operator's, to the breaker of a service."""
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        connection.execute("DELETE FROM rag_breakerorder WHERE service = %s", [service])
        row = "INSERT INTO rag_breakerorder (service, tripped, by, at) VALUES (%s, %s, 'drill', now())"
        connection.execute(row, [service, tripped])


def spared(ground: Ground, name: str, since: int) -> int:
    """How many processes spare what is broken."""
    service, told = BREAKERS.get(name.partition("'")[0].split()[0]), ground.product.log()[since:]
    return told.count(f"breaker open: {service}") - told.count(f"breaker closed: {service}")


@contextmanager
def beside(ground: Ground | None, fault: Fault) -> Iterator[list[Asked]]:
    """What askers have meanwhile where nothing is broken; all of it is there in the end. With a fault by which answers
    step down: on the text-only path, as when an operator has taken the vector store out; else answers as always.
    """
    asked: list[Asked] = []
    if ground is None:
        yield asked
        return
    order(ground, "vector store", tripped=bool(fault.stages))
    crowd = Crowd(ground.product.address, askers=3, pause=PAUSE)
    crowd.start()
    try:
        yield asked
    finally:
        wanted = ("vector",) if fault.stages else ()
        asked += [one for one in crowd.stop() if one.degraded == wanted]


@pytest.mark.fault(1, 2, 10, 11, 12, 15, 18, 25, 29, 30)
@pytest.mark.parametrize("name", taken())
def test_a_fault_alone(ground: Ground, unbroken: Ground | None, name: str) -> None:
    crowd = Crowd(ground.product.address, askers=3, pause=PAUSE)
    recovered = RECOVERS_WITHIN
    began, log = time.monotonic(), len(ground.product.log())
    crowd.start()
    notice = Notice(ground)
    try:
        with beside(unbroken, EVERY[name]) as others, notice:
            EVERY[name].begin(ground)
            noticed: float = until(lambda: notice.seconds, "it is noticed", NOTICED_WITHIN)
            if name != "a web worker killed":
                until(lambda: spared(ground, name, log) >= WORKERS, "every process spares it", RECOVERS_WITHIN)
            since = max(time.monotonic() - began, SETTLES)
            time.sleep(MEASURED)
        ended = time.monotonic()
        EVERY[name].end(ground)
        if name == "Gemini refuses the key":
            order(ground, "generator", tripped=False)  # who mends a key says so, else it is tried within a minute
        until(lambda: grounds.settled(ground), "all is used again", RECOVERS_WITHIN)
        recovered = time.monotonic() - ended
    finally:
        ground.mend_everything()
        asked = crowd.stop()
    excused = [one for one in asked if not one.status and name == "a web worker killed"]
    faults = sum(bool(one.fault) for one in asked)
    while_open, unbroken_times = (
        times([one for one in some if since <= one.at < ended - began and not one.fault]) for some in (asked, others)
    )
    unanswered = faults - len(excused)
    answered = len(asked) - faults
    keep(Alone(name, answered, len(excused), unanswered, while_open, unbroken_times, noticed, notice.by, recovered))
    assert [one for one in asked if one.fault and one not in excused] == []
    assert [one for one in asked if one.seconds > grounds.DEADLINE + LATE] == []
