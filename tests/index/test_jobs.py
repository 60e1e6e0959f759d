"""Jobs: one of each at a time, cancelled, resumed, adopted; poison parked and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from faq.models import Entry
from rag.errors import VectorStoreUnavailable
from rag.index import generations, indexing, jobs, work
from rag.index.coverage import TRIES, coverage
from rag.index.embedding import OnnxEmbedder
from rag.models import IndexFailure, Job, Receipt

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]


@pytest.fixture
def ten(published: Published) -> list[Entry]:
    return [published(f"What is number {number}?", f"It is {number}.") for number in range(10)]


def reindex() -> Job:
    job = jobs.request()
    work.run(job.pk)
    job.refresh_from_db()
    return job


class TestOneAtATime:
    def test_a_second_click_finds_the_job_that_waits_or_runs(self) -> None:
        waiting = jobs.request()
        assert jobs.request().pk == waiting.pk
        jobs.claim(waiting.pk)
        assert jobs.request().pk == waiting.pk
        assert Job.objects.count() == 1

    def test_another_scope_is_another_job(self) -> None:
        assert jobs.request(scope={"entries": [1]}).pk != jobs.request(scope={"entries": [2]}).pk
        assert jobs.request(Job.Kind.SCAN).pk != jobs.request().pk

    def test_while_one_runs_the_next_of_its_kind_waits(self) -> None:
        assert jobs.claim(jobs.request().pk) is not None
        follow_up = jobs.follow_up()
        assert jobs.claim(follow_up.pk) is None
        follow_up.refresh_from_db()
        assert follow_up.state == Job.State.QUEUED


class TestProgress:
    def test_the_row_tells_how_far_it_is(self, ten: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(indexing, "BATCH", 4)
        seen: list[tuple[int, int]] = []
        job = jobs.request()
        work.run(job.pk, watch=lambda done, total: seen.append((done, total)))
        job.refresh_from_db()
        assert seen == [(4, 10), (8, 10), (10, 10)]
        assert (job.done, job.total, job.failed, job.state) == (10, 10, 0, Job.State.SUCCEEDED)
        assert job.rate is not None
        assert job.outcome == "10 embedded, 0 removed."

    def test_only_the_chosen_entries_are_indexed_anew(self, ten: list[Entry]) -> None:
        reindex()
        job = jobs.request(scope={"entries": [ten[0].pk, ten[1].pk]})
        work.run(job.pk)
        job.refresh_from_db()
        assert (job.done, coverage().current) == (2, 10)


class TestStopping:
    def test_a_cancelled_job_stops_after_the_batch_in_hand_and_can_be_resumed(
        self, ten: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(indexing, "BATCH", 4)
        job = jobs.request()
        work.run(job.pk, watch=lambda done, total: jobs.cancel(job))
        job.refresh_from_db()
        assert (job.state, job.done, coverage().current) == (Job.State.CANCELLED, 4, 4)

        resumed = jobs.resume(job)
        work.run(resumed.pk)
        resumed.refresh_from_db()
        assert (resumed.total, coverage().current) == (6, 10)

    def test_a_job_cancelled_while_it_waits_never_runs(self, ten: list[Entry]) -> None:
        job = jobs.request()
        jobs.cancel(job)
        assert not work.run(job.pk)
        assert coverage().current == 0


class TestAdoption:
    def silent(self, job: Job) -> None:
        long_ago = timezone.now() - timedelta(seconds=settings.JOB_SILENT_SECONDS + 1)
        Job.objects.filter(pk=job.pk).update(heartbeat_at=long_ago)

    def test_a_job_that_lost_its_worker_is_taken_up_again(self, ten: list[Entry]) -> None:
        job = jobs.request()
        assert jobs.claim(job.pk) is not None
        assert jobs.adopt_abandoned() == 0
        self.silent(job)
        work.sweep()
        work.run_waiting()
        job.refresh_from_db()
        assert (job.state, job.attempts, coverage().current) == (Job.State.SUCCEEDED, 2, 10)

    def test_one_that_is_interrupted_waits_again_at_once(self, ten: list[Entry]) -> None:
        job = jobs.request()
        with (
            mock.patch.object(OnnxEmbedder, "embed", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            work.run(job.pk)
        job.refresh_from_db()
        assert (job.state, job.claim) == (Job.State.QUEUED, None)
        assert work.run(job.pk)
        assert coverage().current == 10

    def test_one_that_is_interrupted_while_another_waits_leaves_it_to_that_one(self, ten: list[Entry]) -> None:
        claim = jobs.claim(jobs.request().pk)
        assert claim is not None
        waiting = jobs.follow_up()
        claim.give_back()
        assert Job.objects.get(pk=claim.job_id).state == Job.State.FAILED
        assert work.run(waiting.pk)

    def test_reindex_does_not_wait_for_ever_for_a_worker_that_is_dead(
        self, ten: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without Redis nobody sweeps while `make run` prepares."""
        job = jobs.request()
        assert jobs.claim(job.pk) is not None
        monkeypatch.setattr("time.sleep", lambda seconds: self.silent(job))
        call_command("reindex", stdout=StringIO())
        assert coverage().current == 10

    def test_a_worker_that_comes_back_can_write_nothing_more(self, ten: list[Entry]) -> None:
        job = jobs.request()
        former = jobs.claim(job.pk)
        assert former is not None
        self.silent(job)
        jobs.adopt_abandoned()
        later = jobs.claim(job.pk)
        assert later is not None
        with pytest.raises(jobs.Superseded):
            former.take([1])
        with pytest.raises(jobs.Superseded):
            former.advance(done=9)
        with pytest.raises(jobs.Superseded):
            former.finish("failed", "")
        later.advance(done=3)
        job.refresh_from_db()
        assert job.done == 3


class TestPoison:
    @pytest.mark.fault(23)
    def test_it_is_parked_after_three_tries_and_named_while_the_others_go_on(
        self, ten: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        poison = ten[3]
        embed = OnnxEmbedder.embed

        def chokes(self: OnnxEmbedder, texts: Any) -> Any:
            if poison.question in texts:
                raise MemoryError("too much")
            return embed(self, texts)

        monkeypatch.setattr(OnnxEmbedder, "embed", chokes)
        job = reindex()
        assert (job.state, coverage().current) == (Job.State.SUCCEEDED, 9)
        failure = IndexFailure.objects.get()
        assert (failure.entry_id, failure.reason) == (poison.pk, "MemoryError: too much")
        for _ in range(3):
            reindex()
        failure.refresh_from_db()
        assert (failure.tries, coverage().parked) == (TRIES, 1)
        assert reindex().total == 0  # left alone

        monkeypatch.undo()
        Entry.objects.filter(pk=poison.pk).update(answer="Shorter.")
        assert coverage().parked == 0
        reindex()
        assert coverage().current == 10
        assert not IndexFailure.objects.exists()

    def test_a_text_without_a_vector_of_numbers_is_poison(
        self, published: Published, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published("What is it?", "It is it.")
        monkeypatch.setattr(OnnxEmbedder, "embed", lambda self, texts: np.full((len(texts), 384), np.nan, np.float32))
        assert reindex().failed >= 1
        assert "no numbers" in IndexFailure.objects.get().reason

    @pytest.mark.fault(22, 23)
    def test_what_a_dead_worker_had_in_hand_is_taken_one_by_one(self, ten: list[Entry]) -> None:
        job = jobs.request()
        claim = jobs.claim(job.pk)
        assert claim is not None
        claim.take([ten[0].pk, ten[1].pk])
        Job.objects.filter(pk=job.pk).update(heartbeat_at="2026-01-01T00:00Z")
        jobs.adopt_abandoned()
        assert IndexFailure.objects.count() == 0
        with mock.patch.object(indexing, "index", wraps=indexing.index) as index:
            work.run(job.pk)
        assert [len(call.args[1]) for call in index.call_args_list] == [1, 1, 8]
        assert not IndexFailure.objects.exists()  # they came through after all


def test_the_hours_are_kept_without_a_clock_of_their_own(ten: list[Entry]) -> None:
    work.sweep()
    work.run_waiting()
    assert set(Job.objects.values_list("kind", flat=True)) == {"reindex", "scan", "cleanup"}
    work.sweep()
    assert Job.objects.count() == 3
    Job.objects.update(finished_at=timezone.now() - timedelta(days=2), created_at=timezone.now() - timedelta(days=2))
    work.sweep()
    assert Job.objects.filter(kind="scan").count() == 2


def test_one_outage_is_one_row_however_often_it_is_tried(ten: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise VectorStoreUnavailable("refused", "nobody listens")

    monkeypatch.setattr(work, "REST_SECONDS", 0.0)
    with monkeypatch.context() as outage:
        outage.setattr(work, "reconcile", away)
        for _ in range(4):
            work.sweep()
            work.run_waiting()
        failed = Job.objects.get(kind=Job.Kind.REINDEX)
        assert (failed.state, failed.attempts) == (Job.State.FAILED, 4)
        assert "Tried 4 times" in failed.outcome
    work.sweep()
    work.run_waiting()
    assert Job.objects.get(kind=Job.Kind.REINDEX).state == Job.State.SUCCEEDED
    assert coverage().current == 10


def test_what_failed_is_tried_again_when_asked_for(ten: list[Entry]) -> None:
    reindex()
    Entry.objects.filter(pk=ten[0].pk).update(answer="Another.")
    live = generations.live()
    assert live is not None
    text_hash = Entry.objects.get(pk=ten[0].pk).text_hash
    live.failures.create(entry_id=ten[0].pk, text_hash=text_hash, tries=TRIES, reason="too long")
    assert reindex().total == 0
    call_command("reindex", "--failed", stdout=StringIO())
    assert coverage().current == 10


class TestBackup:
    def test_the_operators_command_runs_once_a_day(self, db: None, settings: Settings, tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        settings.BACKUP_COMMAND = f"sh -c 'echo once >> {kept}'"
        for _ in range(2):
            work.sweep()
            work.run_waiting()
        assert kept.read_text() == "once\n"
        assert Job.objects.get(kind=Job.Kind.BACKUP).state == Job.State.SUCCEEDED

    def test_one_that_fails_says_so(self, db: None, settings: Settings) -> None:
        settings.BACKUP_COMMAND = "sh -c 'exit 3'"
        job = jobs.request(Job.Kind.BACKUP)
        work.run(job.pk)
        job.refresh_from_db()
        assert (job.state, "status 3" in job.outcome) == (Job.State.FAILED, True)

    def test_without_a_command_there_is_none(self, db: None) -> None:
        work.sweep()
        assert not Job.objects.filter(kind=Job.Kind.BACKUP).exists()


def test_receipts_are_kept_as_long_as_the_setting_says(db: None) -> None:
    values: dict[str, Any] = {"conversation": "0" * 32, "confidence": 1.0}
    old = Receipt.objects.create(created_at=timezone.now() - timedelta(days=91), **values)
    new = Receipt.objects.create(created_at=timezone.now() - timedelta(days=89), **values)
    work.run(jobs.request(Job.Kind.CLEANUP).pk)
    assert list(Receipt.objects.all()) == [new]
    assert old not in Receipt.objects.all()
