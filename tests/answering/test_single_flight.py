"""The same question from many threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rag.answering.single_flight import SingleFlight
from tests.servers import until

MANY = 200


def test_one_finds_out_and_the_others_are_told() -> None:
    flights: SingleFlight[str] = SingleFlight()
    waiting: list[bool] = []
    found: list[object] = []

    def ask() -> str | None:
        with flights.join("question") as (flight, leads):
            if leads:
                until(lambda: len(waiting) == MANY - 1, "the others wait")
                found.append(flight)
                flight.found = "answer"
                return flight.found
            waiting.append(True)
        return flight.wait(30)

    with ThreadPoolExecutor(MANY) as pool:
        answers = [one.result() for one in [pool.submit(ask) for _ in range(MANY)]]
    assert (len(found), set(answers)) == (1, {"answer"})


def test_one_that_fails_leaves_it_to_the_next() -> None:
    flights: SingleFlight[str] = SingleFlight()
    joined, answers = threading.Event(), []

    def follow() -> None:
        with flights.join("question") as (flight, leads):
            assert not leads
            joined.set()
        if flight.wait(30) is None:
            with flights.join("question") as (flight, leads):
                assert leads
                answers.append("found by the next")

    thread = threading.Thread(target=follow)
    with pytest.raises(ZeroDivisionError), flights.join("question") as (_, leads):
        assert leads
        thread.start()
        assert joined.wait(30)
        raise ZeroDivisionError
    thread.join(30)
    assert answers == ["found by the next"]


def test_nobody_waits_longer_than_he_may() -> None:
    flights: SingleFlight[str] = SingleFlight()
    with flights.join("question"), flights.join("question") as (flight, leads):
        assert not leads
        assert flight.wait(0.01) is None


def test_another_question_does_not_wait() -> None:
    flights: SingleFlight[str] = SingleFlight()
    with flights.join("one"), flights.join("another") as (_, leads):
        assert leads
