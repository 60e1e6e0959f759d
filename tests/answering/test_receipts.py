"""Receipts off the asker's way: none is waited for, and none is lost by an orderly end. And what a question asks."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from faq.models import Entry
from rag.answering import breaker_orders, receipt_queue, receipts
from rag.answering import cache as kept_answers
from rag.answering.pipeline import answer
from rag.answering.receipt_queue import ReceiptQueue
from rag.models import Receipt
from tests.answering.test_pipeline import ASKED
from tests.answering.test_pipeline import house as house
from tests.servers import Postgresql, Redis
from tests.stack.web import Web

Published = Callable[..., Entry]


@pytest.fixture
def queue(transactional_db: None) -> Iterator[ReceiptQueue]:
    queue = ReceiptQueue()
    queue.begin()
    yield queue
    queue.end()


def a_receipt(**values: object) -> Receipt:
    return Receipt(**({"conversation": uuid.uuid4(), "answered_by": "exact", "confidence": 1.0} | values))


def test_what_was_put_in_is_written_by_the_end(queue: ReceiptQueue) -> None:
    some = [a_receipt() for _ in range(250)]
    for one in some:
        queue.put(one)
    queue.end()
    assert set(Receipt.objects.values_list("pk", flat=True)) == {one.pk for one in some}


def test_what_fails_beside_them_loses_none(transactional_db: None, caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise RuntimeError("no cache")

    queue = ReceiptQueue(beside=fails)
    queue.begin()
    some = [a_receipt() for _ in range(2)]
    for one in some:
        queue.put(one)
        assert queue.written(one.conversation, seconds=20)
    queue.end()
    assert Receipt.objects.count() == 2
    assert "what is done beside receipts failed" in caplog.text


def test_a_conversation_is_on_record_once_it_is_waited_for(queue: ReceiptQueue) -> None:
    one = a_receipt()
    queue.put(one)
    assert queue.written(one.conversation, seconds=20)
    assert Receipt.objects.get().pk == one.pk


def test_one_that_cannot_be_written_takes_none_along(queue: ReceiptQueue, caplog: pytest.LogCaptureFixture) -> None:
    whole, broken, another = a_receipt(), a_receipt(confidence="much"), a_receipt()
    with queue._changed:  # so that they are taken together
        for one in (whole, broken, another):
            queue._waiting.append(one)
        queue._changed.notify_all()
    queue.end()
    assert set(Receipt.objects.values_list("pk", flat=True)) == {whole.pk, another.pk}
    assert f"receipt not written: {ValueError.__name__}" in caplog.text


def test_a_database_that_is_away_is_waited_for(
    queue: ReceiptQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from django.db import OperationalError

    monkeypatch.setattr(receipt_queue, "PAUSE_SECONDS", 0.01)
    write, tries = Receipt.objects.bulk_create, iter([OperationalError("gone"), OperationalError("gone")])

    def away_twice(*given: object, **options: object) -> object:
        if (error := next(tries, None)) is not None:
            raise error
        return write(*given, **options)  # type: ignore[arg-type]  # whatever it was called with

    monkeypatch.setattr(Receipt.objects, "bulk_create", away_twice)
    some = [a_receipt(), a_receipt()]
    for one in some:
        queue.put(one)
    queue.end()
    assert set(Receipt.objects.values_list("pk", flat=True)) == {one.pk for one in some}
    assert "receipts wait for the database" in caplog.text
    assert "not written" not in caplog.text


def test_of_too_many_the_oldest_go_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receipt_queue, "MOST", 2)
    idle = ReceiptQueue()
    some = [a_receipt() for _ in range(3)]
    for one in some:
        idle.put(one)
    assert list(idle._waiting) == some[1:]
    assert "too many wait for the database" in caplog.text


@pytest.mark.slow
def test_askers_do_not_wait_for_receipts_and_a_graceful_stop_loses_none(
    postgresql: Postgresql, redis: Redis, tmp_path: Path
) -> None:
    url = postgresql.new_database(f"receipts_{os.getpid()}_{uuid.uuid4().hex[:6]}")
    product = Web(
        tmp_path, workers=2, MODEL_DIR=str(tmp_path / "none"), DATABASE_URL=url, REDIS_URL=redis.url, DB_POOL_MAX="8"
    )
    product.prepare()
    with psycopg.connect(url) as keeper, product:
        keeper.execute("LOCK TABLE rag_receipt IN ACCESS EXCLUSIVE MODE")
        ids = {product.ask(f"how do I import my file {n}").json["id"] for n in range(12)}
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(product.interrupt)
            # Gunicorn has stopped listening, and its workers wait for the database.
            keeper.execute("SELECT pg_sleep(1)")
            keeper.rollback()
            stopping.result()
    with psycopg.connect(url) as reader:
        written = {str(pk) for (pk,) in reader.execute("SELECT id FROM rag_receipt")}
    assert written >= ids
    assert len(ids) == 12


@pytest.mark.django_db
@pytest.mark.usefixtures("model")
class TestQueries:
    """What a question asks of the database. Each of them costs more than the search itself."""

    def count(self, question: str) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            answer(question)
        return [one["sql"] for one in captured.captured_queries if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]

    @pytest.fixture(autouse=True)
    def _as_in_a_web_process(self, house: dict[str, Entry], monkeypatch: pytest.MonkeyPatch) -> None:
        """Receipts are another thread's; and the first questions have been asked."""
        monkeypatch.setattr(receipts, "write", lambda *_: None)
        monkeypatch.setattr(breaker_orders, "look", lambda: None)  # every two seconds, not with every question
        for one in (ASKED, "who won the football world cup in 1974", "and in 1978"):
            answer(one)
        cache.clear()
        kept_answers.forget()

    def test_answered_by_meaning(self) -> None:
        assert len(self.count(ASKED)) == 1  # the content version

    def test_answered_from_what_is_kept(self) -> None:
        answer(ASKED)
        assert len(self.count(ASKED)) == 1

    def test_with_nothing_near(self) -> None:
        assert len(self.count("who won the football world cup in 1982")) == 1

    def test_word_for_word(self) -> None:
        assert len(self.count("How do I reset my password?")) == 2  # and the entry

    def test_after_an_edit_everything_is_read_again(self, house: dict[str, Entry], settings: Settings) -> None:
        entry = house["password"]
        entry.answer = "Ask the porter."
        entry.save()
        assert len(self.count(ASKED)) > 1
        assert answer(ASKED).answer == "Ask the porter."
