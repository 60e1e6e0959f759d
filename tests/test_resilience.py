"""Deadlines and breakers."""

from __future__ import annotations

import threading
import time

import pytest

from rag import resilience
from rag.errors import Reason, ServiceUnavailable
from rag.resilience import Breaker, Deadline
from tests.servers import until


def fail(breaker: Breaker, reason: Reason = "refused") -> str:
    with pytest.raises(ServiceUnavailable) as raised, breaker.guard():
        raise ServiceUnavailable("it", reason)
    return raised.value.reason


def test_a_deadline_runs_down_to_nothing_and_no_further() -> None:
    deadline = Deadline(0.01)
    assert 0 < deadline.left() <= 0.01
    time.sleep(0.02)
    assert deadline.left() == 0.0


def test_it_opens_after_failures_in_a_row_and_closes_after_one_success() -> None:
    breaker = Breaker("it", failures_to_open=3, rest_seconds=0.05)
    assert [fail(breaker) for _ in range(3)] == ["refused"] * 3
    assert fail(breaker) == "breaker_open"
    time.sleep(0.06)
    with breaker.guard():
        pass
    assert not breaker.is_open


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker("it", failures_to_open=2)
    for _ in range(5):
        fail(breaker)
        with breaker.guard():
            pass
    assert not breaker.is_open


@pytest.mark.parametrize("reason", ["blocked", "missing"])
def test_what_is_not_the_services_fault_does_not_count(reason: Reason) -> None:
    breaker = Breaker("it", failures_to_open=1)
    fail(breaker, reason)
    assert not breaker.is_open


def test_when_half_open_one_call_goes_through_and_the_others_do_not_wait() -> None:
    breaker = Breaker("it", failures_to_open=1, rest_seconds=0.05)
    fail(breaker)
    time.sleep(0.06)
    begun, admitted = threading.Barrier(8), []

    def call() -> None:
        begun.wait()
        try:
            with breaker.guard():
                admitted.append(True)
                time.sleep(0.02)
                raise ServiceUnavailable("it", "refused")
        except ServiceUnavailable:
            pass

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 1


def test_calls_do_not_wait_for_each_other() -> None:
    breaker, inside = Breaker("it"), threading.Barrier(4, timeout=5)

    def call() -> None:
        with breaker.guard():
            inside.wait()  # broken unless all four are inside at once

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside.broken


def test_with_a_probe_no_caller_finds_out_whether_the_service_is_back() -> None:
    looked, goes_on = threading.Event(), threading.Event()

    def probe() -> None:
        looked.set()
        goes_on.wait(10)

    breaker = Breaker("it", failures_to_open=1, rest_seconds=0.02, probe=probe)
    fail(breaker)
    until(lambda: fail(breaker) == "breaker_open" and looked.is_set(), "somebody looks")
    assert {fail(breaker) for _ in range(5)} == {"breaker_open"}  # while the thread still waits for the service
    goes_on.set()
    until(lambda: not breaker.is_open, "what the thread found closes it")
    with breaker.guard():
        pass


def test_a_probe_that_fails_leaves_it_open_and_is_made_again() -> None:
    tries: list[int] = []

    def probe() -> None:
        tries.append(1)
        raise ServiceUnavailable("it", "refused") if len(tries) == 1 else ValueError("not of our family")

    breaker = Breaker("it", failures_to_open=1, rest_seconds=0.01, probe=probe)
    fail(breaker)
    until(lambda: fail(breaker) == "breaker_open" and len(tries) > 2, "it is looked for again and again")
    assert breaker.is_open


def test_a_breaker_that_is_added_meanwhile_disturbs_nobody_who_looks_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resilience, "_registered", {"it": Breaker("it")})
    for _ in resilience.breakers():
        resilience.registered(Breaker(f"added with {len(resilience.breakers())}"))
    assert len(resilience.breakers()) == 2
