"""A reindex with nothing to do: no text is embedded, and the cost does not grow with the entries by a query each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from faq.models import Category, Entry
from rag.index import indexing, jobs, work
from rag.index.coverage import coverage
from rag.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_model(settings: Any) -> None:
    settings.EMBEDDER = "tests.index.memory_store.HashEmbedder"


def publish(number: int) -> None:
    category, _ = Category.objects.get_or_create(name="c")
    already = Entry.objects.count()
    Entry.objects.bulk_create(
        Entry(external_id=f"e-{i}", category=category, question=f"q {i}", answer=f"a {i}", status="published")
        for i in range(already, already + number)
    )


def reindexed() -> Job:
    job = jobs.request()
    work.run(job.pk)
    job.refresh_from_db()
    return job


def queries_of(do: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        do()
    return [one["sql"] for one in captured.captured_queries]


def test_it_embeds_nothing_and_makes_as_many_queries_for_many_entries_as_for_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = {}
    for more in (10, 400):
        publish(more)
        assert reindexed().failed == 0
        assert coverage().complete
        with monkeypatch.context() as patch:
            patch.setattr(indexing, "get_embedder", lambda: pytest.fail("the model was asked"))
            numbers[more] = queries_of(lambda: reindexed())
    few, many = numbers.values()
    assert len(many) == len(few)
    assert len(many) < 30


def test_each_entry_is_read_once() -> None:
    publish(10)
    reindexed()
    reading = [sql for sql in queries_of(reindexed) if 'FROM "faq_entry"' in sql and sql.startswith("SELECT")]
    # What is behind, by entry; the surplus of the ledger is asked of the ledger.
    assert len([sql for sql in reading if sql.startswith('SELECT "faq_entry"')]) == 1
