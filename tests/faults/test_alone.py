"""Each fault by itself, on one product: every question answered in time, noticed within seconds, healed by itself.

`make drill-faults` takes all of them and measures them beside the text-only path; here today's one is taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from tests.faults import ground as grounds
from tests.faults.crowd import Crowd
from tests.faults.ground import FAULTS, MORE, Fault, Ground
from tests.faults.noticing import Notice
from tests.faults.records import FOLDER, Alone, Times, keep, times
from tests.servers import until

EVERY = FAULTS | MORE
NOTICED_WITHIN = 15.0
RECOVERS_WITHIN = 30.0
LATE = 3.0
WORKERS = 2  # each with breakers of its own
# The breaker that opens, where there is one.
BREAKERS = {"Qdrant": "vector store", "Gemini": "generator", "PostgreSQL": "database", "Redis": "redis"}
SETTLES = 3.0  # an order is looked for every two seconds
MEASURED = 20.0 if FOLDER else 1.0


def taken() -> list[str]:
    names = sorted(EVERY)
    return names if FOLDER else [names[date.today().toordinal() % len(names)]]


@pytest.fixture(scope="module")
def ground(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    # A process that is replaced in the midst of a fault takes its open breaker with it, and is missed below.
    workers = {"WEB_CONCURRENCY": str(WORKERS), "MAX_REQUESTS": "0"}
    with grounds.ground(tmp_path_factory.mktemp("alone"), qdrant_url, **workers) as ground:
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


def beside(ground: Ground, fault: Fault) -> Times:
    """Nothing is broken. With a fault by which answers step down: the text-only path, as when an operator has taken the
    vector store out and nobody waits for anything; else answers as they always are.
    """
    crowd, steps_down = Crowd(ground.product.address, askers=3), bool(fault.stages)
    order(ground, "vector store", tripped=steps_down)
    crowd.start()
    time.sleep(SETTLES + MEASURED)
    asked = crowd.stop()
    order(ground, "vector store", tripped=False)
    grounds.settle(ground)  # in every process, or one would count as open still
    wanted = ("vector",) if steps_down else ()
    return times([one for one in asked if one.at > SETTLES and one.degraded == wanted])


@pytest.mark.fault(1, 2, 10, 11, 12, 15, 18, 25, 29, 30)
@pytest.mark.parametrize("name", taken())
def test_a_fault_alone(ground: Ground, name: str) -> None:
    unbroken = beside(ground, EVERY[name]) if FOLDER else None
    crowd = Crowd(ground.product.address, askers=3)
    recovered = RECOVERS_WITHIN
    crowd.start()
    began, log = time.monotonic(), len(ground.product.log())
    notice = Notice(ground)
    try:
        with notice:
            EVERY[name].begin(ground)
            noticed: float = until(lambda: notice.seconds, "it is noticed", NOTICED_WITHIN)
            if name != "a web worker killed":
                until(lambda: spared(ground, name, log) >= WORKERS, "every process spares it", RECOVERS_WITHIN)
            since = time.monotonic() - began
            time.sleep(MEASURED)
        ended = time.monotonic()
        EVERY[name].end(ground)
        if name == "Gemini refuses the key":
            order(ground, "generator", tripped=False)  # who mends a key says so, else it is tried within a minute
        until(lambda: grounds.all_well(ground) and not spared(ground, name, log), "all is used again", RECOVERS_WITHIN)
        recovered = time.monotonic() - ended
    finally:
        ground.mend_everything()
        asked = crowd.stop()
    excused = [one for one in asked if not one.status and name == "a web worker killed"]
    faults = sum(bool(one.fault) for one in asked)
    while_open = times([one for one in asked if since <= one.at < ended - began and not one.fault])
    unanswered = faults - len(excused)
    answered = len(asked) - faults
    keep(Alone(name, answered, len(excused), unanswered, while_open, unbroken, noticed, notice.by, recovered))
    assert [one for one in asked if one.fault and one not in excused] == []
    assert [one for one in asked if one.seconds > grounds.DEADLINE + LATE] == []
