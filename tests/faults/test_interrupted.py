"""Faults in the middle of what somebody is doing, on the whole product: each with its row's number."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rag.answering import probes
from tests.faults import ground as grounds
from tests.faults.crowd import Crowd
from tests.faults.ground import Ground
from tests.faults.test_swizzle import editor_of, lost
from tests.servers import until

WORKERS = 2


@pytest.fixture(scope="module")
def ground(model: Path, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("interrupted")
    with grounds.ground(folder, qdrant_url, WEB_CONCURRENCY=str(WORKERS)) as ground:
        yield grounds.warm(ground)


@pytest.mark.fault(18)
def test_a_web_worker_that_is_killed_takes_no_more_than_its_own_questions_with_it(ground: Ground) -> None:
    """Row 18: the other one answers on, and another takes its place."""
    crowd = Crowd(ground.product.address, askers=4)
    before = {one.pid for one in ground.gunicorns()}
    crowd.start()
    try:
        until(lambda: len(crowd.asked) > 8, "questions are answered")
        ground.kill_a_web_worker()
        killed = time.monotonic() - crowd.began
        until(lambda: len({one.pid for one in ground.gunicorns()} - before) == 1, "another takes its place", 10)
        already = len(crowd.asked)
        until(lambda: len(crowd.asked) > already + 12, "questions are answered all the same")
    finally:
        asked = crowd.stop()
    wrong = [one for one in asked if one.fault]
    assert len(wrong) <= 4  # no more than are in hand at once
    assert [one for one in wrong if one.status or not one.at <= killed <= one.at + one.seconds + 1] == []


def test_what_takes_seconds_to_load_is_loaded_before_a_worker_begins(ground: Ground) -> None:
    """Else the first askers of the one that replaces a killed one wait for it: up to ten seconds on a busy machine.

    Seen by the libraries that the clients of Qdrant and Redis bring, in the master, which never asks any of them.
    """
    master = ground.gunicorns()[0]
    mapped = {Path(one.path).name.partition(".")[0] for one in master.memory_maps()}
    assert {"cygrpc", "onnxruntime_pybind11_state"} <= mapped


@pytest.mark.fault(29)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_postgresql_restarts_under_askers_and_an_editor(ground: Ground, how: signal.Signals) -> None:
    """Row 29: everybody is answered, what was acknowledged is there, and what was not is said to be not saved."""
    crowd, editor = Crowd(ground.product.address, askers=3), editor_of(ground)
    editor.begin()
    crowd.start()
    try:
        until(lambda: sum(editor.acknowledged.values()) > 2, "edits are acknowledged")
        ground.postgresql.fail(how)
        until(lambda: editor.refused > 0, "an edit is refused")
        ground.postgresql.recover()
        already = sum(editor.acknowledged.values())
        until(lambda: sum(editor.acknowledged.values()) > already + 2, "edits are acknowledged again")
        until(lambda: grounds.all_well(ground), "everything is used again")
    finally:
        ground.mend_everything()
        asked = crowd.stop()
        editor.end()
    assert [one for one in asked if one.fault] == []
    assert lost(ground, editor) == []
    assert set(editor.refusals) == {(503, "Nothing was saved")}


@pytest.mark.fault(25)
def test_a_redis_that_takes_no_writes_keeps_nobody_from_an_answer_or_an_edit(ground: Ground) -> None:
    """Row 25: its memory is full and it may forget nothing; what is saved meanwhile is found all the same."""
    with redis.Redis.from_url(ground.redis.url) as full:
        full.config_set("maxmemory-policy", "noeviction")
        full.config_set("maxmemory", "1")
        try:
            for _ in range(3):
                reply = ground.product.ask(f"When do you close on Saturday, {time.monotonic()}?")
                assert (reply.answered_by, reply.degraded) == ("generated", [])
            code = (
                "from faq.models import Entry\n"
                "entry = Entry.objects.get(external_id='opening')\n"
                "entry.answer = said\nentry.save()\nprint(entry.question)"
            )
            printed = ground.product.does(code, said="We changed our hours while Redis was full.")
            question = printed.splitlines()[-1]  # before it the log says that a job waits for the sweep
            assert ground.product.ask(question).answer == "We changed our hours while Redis was full."
        finally:
            full.config_set("maxmemory", "0")
    until(lambda: index_is_complete(ground), "the edit is in the index", 90, pause=0.5)


CROWD = 8
QUESTIONS = 160
# Of each process: what opens its breaker, what others had begun by then, each tried twice at most.
CALLS = 2 * (5 + CROWD) * WORKERS


def many_ask(ground: Ground) -> None:
    crowd = Crowd(ground.product.address, askers=CROWD)
    crowd.start()
    until(lambda: len(crowd.asked) >= QUESTIONS, "so many have asked", 120)
    assert [one for one in crowd.stop() if one.fault] == []


@pytest.mark.fault(11)
@pytest.mark.parametrize("behaviour", ["500", "hang", "disconnect"])
def test_a_crowd_does_not_multiply_calls_to_a_gemini_that_fails(ground: Ground, behaviour: str) -> None:
    """Row 11: so many questions, and no more calls than the breakers let through; and no call while one rests."""
    before = len(ground.gemini.requests)
    ground.gemini.behave(behaviour)
    try:
        many_ask(ground)
        put = [one for one in ground.gemini.requests[before:] if probes.READY.contents not in one.prompt]
        assert 0 < len(put) <= CALLS < QUESTIONS
    finally:
        ground.gemini.behave("good")
    until(lambda: grounds.all_well(ground), "everything is used again", 60, pause=0.2)


@pytest.mark.fault(1)
def test_a_crowd_does_not_multiply_calls_to_a_qdrant_that_fails(ground: Ground) -> None:
    searches: list[bytes] = []

    def garbled(data: bytes) -> Iterator[bytes]:
        searches.append(data[:20])
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n["

    ground.qdrant.spoil(garbled)
    try:
        many_ask(ground)
        assert 0 < len(searches) <= CALLS < QUESTIONS  # with probes, and what the health asks
    finally:
        ground.qdrant.mend()
    until(lambda: grounds.all_well(ground), "everything is used again", 60, pause=0.2)


def index_is_complete(ground: Ground) -> bool:
    code = "from rag.index import coverage\nprint(coverage.coverage().current == coverage.coverage().published)"
    return ground.product.does(code).strip().endswith("True")
