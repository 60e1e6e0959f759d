"""Checks: asked side by side, never twice at once, and a hanging one holds nobody up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from django.db import OperationalError

from monitoring import asking
from monitoring.asking import Check, NotKnown, NotWell, Reading, State
from rag.errors import VectorStoreUnavailable
from tests.servers import until


@dataclass
class Probe:
    """Does as it is told, and counts how often it was asked."""

    fails: Exception | None = None
    holds: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def __post_init__(self) -> None:
        self.holds.set()

    def __call__(self) -> str:
        self.asked += 1
        self.holds.wait()
        if self.fails:
            raise self.fails
        return "well"


@pytest.fixture
def probe() -> Iterator[Probe]:
    probe = Probe()
    yield probe
    probe.holds.set()


Read = Callable[..., Reading]


@pytest.fixture
def read(probe: Probe) -> Read:
    check = Check("thing", lambda: "Thing", "Nothing works.", "thing-down", probe)

    def read(older_than: float = 0.0) -> Reading:
        return asking.read([check], older_than=older_than)[0]

    return read


def test_what_is_well_says_so_with_its_time(read: Read) -> None:
    found = read()
    assert (found.state, found.detail, found.check.title) == (State.OK, "well", "Thing")
    assert found.latency_ms is not None
    assert found.last_good == found.as_of


@pytest.mark.parametrize(
    ("error", "state", "detail"),
    [
        (VectorStoreUnavailable("timeout", "no answer in time"), State.DOWN, "no answer in time"),
        (VectorStoreUnavailable("auth"), State.DOWN, "auth"),
        (OperationalError("connection to 10.0.0.7 as bob:hunter2 failed"), State.DOWN, "not reachable"),
        (RuntimeError("hunter2"), State.DOWN, "RuntimeError"),
        (NotWell("two are missing"), State.DOWN, "two are missing"),
        (NotKnown("Redis is away"), State.UNKNOWN, "Redis is away"),
    ],
)
def test_a_fault_is_told_in_our_words_only(
    read: Read, probe: Probe, error: Exception, state: State, detail: str
) -> None:
    probe.fails = error
    found = read()
    assert (found.state, found.detail) == (state, detail)


def test_a_young_reading_is_not_asked_for_again(read: Read, probe: Probe) -> None:
    assert [read(60.0).as_of for _ in range(50)] == [read(60.0).as_of] * 50
    assert probe.asked == 1
    read(0.0)
    assert probe.asked == 2


def test_what_is_down_is_asked_sooner(read: Read, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "RECHECK_SECONDS", 0.0)
    probe.fails = RuntimeError()
    assert read(60.0).state is State.DOWN
    probe.fails = None
    assert read(60.0).state is State.OK


def test_one_that_hangs_holds_nobody_up_and_is_not_asked_twice(
    read: Read, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WAIT_SECONDS", 0.01)
    probe.holds.clear()
    assert read().state is State.UNKNOWN
    monkeypatch.setattr(asking, "HANGS_SECONDS", 0.0)
    assert [read().state for _ in range(20)] == [State.DOWN] * 20
    assert "no answer for" in read().detail
    assert probe.asked == 1
    probe.holds.set()
    until(lambda: read(60.0).state is State.OK, "it is back")
    assert probe.asked == 1  # the same question was answered after all


def test_one_that_was_well_and_takes_its_time_is_slow_and_not_down(
    read: Read, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read().state is State.OK
    monkeypatch.setattr(asking, "WAIT_SECONDS", 0.01)
    probe.holds.clear()
    assert (read().state, read().detail) == (State.DEGRADED, "slow to answer")


def test_the_others_are_known_while_one_hangs(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WAIT_SECONDS", 0.5)
    probe.holds.clear()
    others = [Check(f"other-{n}", lambda: "", "", "", lambda: "well") for n in range(5)]
    checks = [others[0], Check("hangs", lambda: "", "", "", probe), *others[1:]]
    assert [found.state for found in asking.read(checks, older_than=0.0)] == [State.OK, State.UNKNOWN, *[State.OK] * 4]


def test_what_is_not_configured_is_off_and_never_asked(probe: Probe) -> None:
    check = Check("thing", lambda: "", "", "", probe, wanted=lambda: False)
    assert asking.read([check], older_than=0.0)[0].state is State.OFF
    assert probe.asked == 0


def test_the_last_good_moment_outlives_the_process(read: Read, probe: Probe) -> None:
    good = read().last_good
    assert good is not None
    _let_threads_end()
    asking.forget()  # as a new process begins
    probe.fails = RuntimeError()
    read()
    _let_threads_end()
    assert read(60.0).last_good == good


def _let_threads_end() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("check-"):
            thread.join()


def test_the_log_has_a_line_for_a_change_and_none_for_what_lasts(
    read: Read, probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="monitoring.asking")

    def told() -> list[str]:
        _let_threads_end()
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return lines

    read(), read()
    assert told() == []
    probe.fails = RuntimeError("hunter2")
    read(), read(), read()
    assert told() == ["dependency down: thing"]
    probe.fails = None
    read(), read()
    assert told() == ["dependency back: thing"]
