"""Each fault has its own alert told to people, and no other: the real product before Prometheus and Alertmanager.

The rules are those that are shipped, with every window sixty times shorter. `make drill-faults` takes every fault;
here today's one is taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types
import pytest

from tests.faults import ground as grounds
from tests.faults.crowd import Crowd
from tests.faults.ground import FAULTS, MORE, Fault, Ground
from tests.faults.records import FOLDER, Told, keep
from tests.faults.test_alone import order
from tests.monitoring.shipped import alerts
from tests.monitoring.test_rules import Alertmanager
from tests.servers import until
from tests.stack.prometheus import Prometheus

SHORTER = 60
TOLD_WITHIN = 60.0
GOES_ON = 5.0  # so long nothing else may be told
ENDS_WITHIN = 120.0
SEVERITY = {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}


def _job_workers(ground: Ground) -> list[psutil.Process]:
    alive = [one for one in ground.product.processes() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in alive if one.cmdline()[-1:] == ["work"]]


def _each(act: str, ground: Ground) -> None:
    for one in _job_workers(ground):
        getattr(one, act)()


STANDS_STILL = Fault(lambda ground: _each("suspend", ground), lambda ground: _each("resume", ground))
EVERY = FAULTS | MORE | {"the job worker stands still": STANDS_STILL}
MEANT = {
    "Qdrant killed": "VectorStoreDown",
    "Qdrant hangs": "VectorStoreDown",
    "Redis killed": "RedisDown",
    "Redis hangs": "RedisDown",
    "PostgreSQL killed": "DatabaseDown",
    "PostgreSQL hangs": "DatabaseDown",
    "Gemini answers 500": "GeneratorDown",
    "Gemini hangs": "GeneratorDown",
    "Gemini hangs up": "GeneratorDown",
    "Gemini refuses the key": "GeminiKeyRejected",
    "Gemini's quota is used up": "GeminiQuotaUsedUp",
    "the job worker stands still": "NoJobWorkers",
}


def taken() -> list[str]:
    names = sorted(MEANT)
    return names if FOLDER else [names[date.today().toordinal() % len(names)]]


@dataclass
class Watched:
    ground: Ground
    prometheus: Prometheus
    alertmanager: Alertmanager

    def told(self) -> set[str]:
        """What reaches people: what fires and is not said by another already."""
        wanted = "/api/v2/alerts?active=true&inhibited=false&silenced=false"
        return {one["labels"]["alertname"] for one in self.alertmanager.call(wanted)}

    def is_well(self) -> bool:
        """No part is out, and nobody is told anything."""
        checks = self.ground.product.get("/readyz").json["checks"]
        return set(checks.values()) == {"ok"} and self.told() == set() and grounds.all_well(self.ground)


@pytest.fixture(scope="module")
def watched(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("alerts")
    with grounds.ground(folder, qdrant_url, WEB_CONCURRENCY="2") as ground, Alertmanager() as alertmanager:
        grounds.warm(ground)
        place = ground.product.address.removeprefix("http://")
        to = f"127.0.0.1:{alertmanager.port}"
        with Prometheus(shorter=SHORTER, alertmanager=to, steadfast=place) as prometheus:
            watched = Watched(ground, prometheus, alertmanager)
            with asking(ground):
                until(lambda: prometheus.values("faq_dependency_up"), "it is watched")
                until(watched.is_well, "nothing is told at first", ENDS_WITHIN, pause=0.5)
                yield watched


@contextmanager
def asking(ground: Ground) -> Iterator[None]:
    crowd = Crowd(ground.product.address, askers=2)
    crowd.start()
    try:
        yield
    finally:
        crowd.stop()


@pytest.mark.fault(1, 2, 10, 11, 12, 15, 25, 29, 30)
@pytest.mark.parametrize("name", taken())
def test_a_fault_has_its_alert_told_and_no_other(watched: Watched, name: str) -> None:
    meant, others = MEANT[name], set[str]()
    began, seconds = time.monotonic(), TOLD_WITHIN
    EVERY[name].begin(watched.ground)
    try:

        def is_told() -> bool:
            told = watched.told()
            others.update(told - {meant})
            return meant in told

        until(is_told, f"{meant} is told", TOLD_WITHIN, pause=0.25)
        seconds = time.monotonic() - began
        end = time.monotonic() + GOES_ON
        while time.monotonic() < end:
            others.update(watched.told() - {meant})
            time.sleep(0.25)
        still = watched.told()
    finally:
        EVERY[name].end(watched.ground)
        if name == "Gemini refuses the key":
            order(watched.ground, "generator", tripped=False)  # who mends a key says so, else it is tried in a minute
        keep(Told(name, meant, SEVERITY[meant], seconds, tuple(sorted(others))))
    until(watched.is_well, "all is well, and all alerts end by themselves", ENDS_WITHIN, pause=0.5)
    assert {one for one in others if SEVERITY[one] == "page" and not _of_the_machine(one)} == set()
    assert {one for one in still if not _of_the_machine(one)} == {meant}


def _of_the_machine(alert: str) -> bool:
    """How quick answers are is its affair, which runs other tests beside this. The report tells these too."""
    return alert.startswith("AnswersSlow")
