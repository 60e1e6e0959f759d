"""Faults of the catalogue that need the whole product: each with its row's number."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]  # it brings no types
import psycopg
import pytest

from tests.faults import ground as grounds
from tests.faults.ground import Ground
from tests.servers import until
from tests.stack.asker import Asker, Reply

numbers = count()
LATE = 3.0  # seconds over the deadline that a busy machine may take


def question() -> str:
    """In words that no cache knows."""
    return f"When do you close on Saturday? I come with bus {next(numbers)}."


@pytest.fixture(scope="module")
def ground(model: object, qdrant_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds.ground(tmp_path_factory.mktemp("rows"), qdrant_url, WEB_CONCURRENCY="2") as ground:
        yield grounds.warm(ground)


def askers(ground: Ground, number: int) -> list[Asker]:
    """Each with the page open."""
    every = [Asker(ground.product.address) for _ in range(number)]
    for one in every:
        one.token()
    return every


def asked_at_once(askers: list[Asker], questions: list[str]) -> list[Reply]:
    with ThreadPoolExecutor(len(questions)) as pool:
        return list(pool.map(Asker.ask, askers, questions))


def useful(reply: Reply) -> bool:
    return reply.status == 200 and bool(reply.answer.strip()) and bool(reply.sources)


@pytest.mark.fault(43)
def test_200_askers_of_one_question_cost_one_call_a_process(ground: Ground) -> None:
    """Row 43: single flight, and what it found is kept for both processes."""
    many = askers(ground, 200)
    ground.gemini.first_token_delay = 0.3
    before = len(ground.gemini.requests)
    try:
        replies = asked_at_once(many, [question()] * 200)
    finally:
        ground.gemini.first_token_delay = 0.0
    assert all(useful(one) for one in replies)
    assert 1 <= len(ground.gemini.requests) - before <= 2


def begin_stream(ground: Ground, text: str) -> socket.socket:
    """An asker of the event stream, by hand, so that it can be left."""
    asker = Asker(ground.product.address)
    token = asker.token()
    where = urlsplit(ground.product.address)
    line = socket.create_connection((where.hostname, where.port or 80), timeout=30)
    body = json.dumps({"question": text}).encode()
    head = (
        f"POST /api/chat/ HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Cookie: csrftoken={token}\r\nX-CSRFToken: {token}\r\n\r\n"
    )
    line.sendall(head.encode() + body)
    return line


@pytest.mark.fault(42)
def test_who_leaves_while_gemini_is_silent_hangs_up_on_it(ground: Ground) -> None:
    """Row 42: nothing is written meanwhile, so the product must look by itself; and it is no failure of Gemini."""
    ground.gemini.behave("hang")
    asked, left = len(ground.gemini.requests), ground.gemini.disconnects
    try:
        line = begin_stream(ground, question())
        until(lambda: len(ground.gemini.requests) > asked, "Gemini is asked")
        line.close()
        until(lambda: ground.gemini.disconnects > left, "Gemini is hung up on", pause=0.02)
        until(lambda: "the asker left before the answer was whole" in ground.product.log(), "it is told")
        assert "fallback: generate timeout" not in ground.product.log().split("the asker left")[-1]
    finally:
        ground.gemini.behave("good")


@pytest.mark.fault(20)
def test_a_worker_that_is_stopped_holds_up_nobody_else(ground: Ground) -> None:
    """Row 20: the other worker serves on; those whose question the stopped one holds are not lost when it goes on."""
    worker = ground.gunicorns()[-1]
    worker.suspend()
    try:
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(Asker(ground.product.address).ask, question()) for _ in range(8)]
            until(lambda: any(one.done() for one in waiting), "somebody is answered")
            worker.resume()
            assert all(useful(one.result()) for one in waiting)
    finally:
        worker.resume()


@pytest.mark.fault(31)
def test_a_long_lock_is_not_waited_for(ground: Ground) -> None:
    """Row 31: somebody holds the entries under ACCESS EXCLUSIVE; answers come, from what processes have read before."""
    some = askers(ground, 4)
    with psycopg.connect(ground.postgresql.url("faults")) as connection:
        connection.execute("LOCK TABLE faq_entry IN ACCESS EXCLUSIVE MODE")
        replies = asked_at_once(some, [question() for _ in range(4)])
        assert [one.status for one in replies] == [200] * 4
        assert all(one.answer.strip() for one in replies)
    until(lambda: ground.product.ask(question()).degraded == [], "all is well again", 60, pause=0.3)


@pytest.mark.fault(30)
def test_a_database_that_hangs_is_not_waited_for(ground: Ground) -> None:
    """Row 30: PostgreSQL is stopped, and every question is answered from what the processes hold."""
    some = askers(ground, 4)
    assert ground.postgresql._process is not None
    postmaster = psutil.Process(ground.postgresql._process.pid)
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for one in stopped:
        one.suspend()
    try:
        for _ in range(3):
            replies = asked_at_once(some, [question() for _ in range(4)])
            assert all(useful(one) for one in replies)
            assert all(one.seconds < grounds.DEADLINE + LATE for one in replies)
        assert Asker(ground.product.address).get("/").status == 200
        refused = Asker(ground.product.address).post("/admin/login/", username="nobody", password="none")
        assert refused.status == 503
        assert "Nothing was saved" in refused.text
    finally:
        for one in stopped:
            one.resume()
    until(lambda: ground.product.ask(question()).degraded == [], "all is well again", 60, pause=0.3)


@pytest.mark.fault(33)
def test_an_edit_whose_job_was_never_sent_is_found_all_the_same(ground: Ground) -> None:
    """Row 33: the process dies between COMMIT and the enqueuing; what is behind is a fact, and the sweep finds it."""
    changed = ground.product.does(
        "import os\n"
        "from faq.models import Entry\n"
        "from django.db import transaction\n"
        "from rag.index import receivers\n"
        "entry = Entry.objects.get(external_id='opening')\n"
        "entry.answer = said\n"
        "print(entry.question)\n"
        "import sys; sys.stdout.flush()\n"
        "with transaction.atomic():\n"
        "    transaction.on_commit(lambda: os._exit(0))  # before any other receiver of the commit\n"
        "    entry.save()\n",
        said="We changed our hours: ask the desk.",
    )
    assert ground.product.ask(changed.strip()).answer == "We changed our hours: ask the desk."

    def indexed() -> bool:
        code = "from rag.index import coverage\nprint(coverage.coverage().current == coverage.coverage().published)"
        return ground.product.does(code).strip().endswith("True")

    until(indexed, "the edit is in the index", 90, pause=1)


@pytest.mark.fault(21)
def test_sigterm_under_load_loses_no_question(ground: Ground) -> None:
    """Row 21: a worker is told to go while it answers; it ends what it has, and another takes its place."""
    worker = ground.gunicorns()[-1]
    ended = threading.Event()
    replies: list[Reply] = []
    lock = threading.Lock()

    def ask_on() -> None:
        asker = Asker(ground.product.address)
        while not ended.is_set():
            reply = asker.ask(question())
            with lock:
                replies.append(reply)

    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(replies) > 10, "questions are answered")
    worker.terminate()
    until(lambda: not worker.is_running(), "the worker has ended", 60)
    already = len(replies)
    until(lambda: len(replies) > already + 10, "questions are answered all the same", 60)
    ended.set()
    for thread in threads:
        thread.join(60)
    assert all(useful(one) for one in replies)
