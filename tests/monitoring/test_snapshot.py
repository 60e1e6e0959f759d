"""One reading of the state: true, cheap, and none of its parts fails the caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from faq.models import Entry
from monitoring import migrated
from monitoring import snapshot as module
from monitoring.snapshot import snapshot
from rag.index import drift, generations, jobs
from rag.models import Job
from tests.conftest import Index, Publish

pytestmark = pytest.mark.django_db


def test_of_an_empty_database_nothing_is_wrong() -> None:
    taken = snapshot()
    assert taken.coverage is not None
    assert (taken.coverage.published, taken.coverage.ratio) == (0, 1.0)
    assert (taken.drift, taken.live, taken.oldest_behind_seconds) == (None, None, 0.0)
    assert taken.jobs == module.Jobs()
    assert taken.pending_migrations == 0
    assert taken.breakers == {"vector store": "closed", "generator": "closed", "database": "closed"}


def test_it_says_what_the_ledger_says(published: Publish, indexed: Index) -> None:
    entry = published("Where is it?", "There.")
    indexed()
    drift.scan(generations.target())
    before = snapshot(fresh=True)
    assert before.coverage is not None and before.drift is not None and before.live is not None
    assert (before.coverage.current, before.oldest_behind_seconds, before.drift.clean) == (1, 0.0, True)
    hour_ago = timezone.now() - timedelta(hours=1)
    Entry.objects.filter(pk=entry.pk).update(answer="Elsewhere.", updated_at=hour_ago)
    after = snapshot(fresh=True)
    assert after.coverage is not None
    assert (after.coverage.outdated, after.coverage.ratio) == (1, 0.0)
    assert after.oldest_behind_seconds == pytest.approx(3600, abs=60)


def test_jobs_are_told_by_what_became_of_them() -> None:
    now = timezone.now()
    waiting = jobs.request(Job.Kind.SCAN)
    Job.objects.filter(pk=waiting.pk).update(created_at=now - timedelta(minutes=2))
    Job.objects.create(kind=Job.Kind.REINDEX, state=Job.State.RUNNING, total=10, done=4)
    for state, days in [("failed", 0), ("failed", 3), ("succeeded", 0), ("succeeded", 2)]:
        Job.objects.create(kind=Job.Kind.BACKUP, state=state, finished_at=now - timedelta(days=days, minutes=1))
    found = snapshot().jobs
    assert found is not None
    assert (found.waiting, found.running, found.failed) == (1, 1, 1)
    assert found.oldest_waiting_seconds == pytest.approx(120, abs=30)
    assert [(job.kind, job.done) for job in found.at_work] == [("reindex", 4)]
    assert found.last_day == {("backup", "failed"): 1, ("backup", "succeeded"): 1}
    assert found.last_success == {"backup": now - timedelta(minutes=1)}


def test_its_cost_does_not_grow_with_the_data(published: Publish, indexed: Index) -> None:
    published("Where is it?", "There.")
    indexed()
    few = _queries()
    for number in range(30):
        published(f"Question {number}?", "Yes.")
        Job.objects.create(kind=Job.Kind.SCAN, state=Job.State.FAILED, finished_at=timezone.now())
    assert _queries() == few <= 14


def _queries() -> int:
    with CaptureQueriesContext(connection) as queries:
        snapshot(fresh=True)
    return len(queries)


def test_it_is_kept_for_some_seconds(published: Publish) -> None:
    first = snapshot()
    published("Where is it?", "There.")
    assert snapshot() is first
    assert snapshot(fresh=True).coverage != first.coverage


def test_a_database_that_is_away_leaves_the_rest_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("connection to 10.0.0.7 failed")

    monkeypatch.setattr(module, "_jobs", away)
    taken = snapshot()
    assert (taken.jobs, taken.pending_migrations) == (None, 0)
    monkeypatch.setattr(migrated, "by_app", away)
    taken = snapshot(fresh=True)
    assert (taken.migrations, taken.pending_migrations, taken.coverage) == (None, None, None)
    assert taken.breakers
