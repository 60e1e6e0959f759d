"""Missed questions: grouped by what they ask for, woken, closed when an entry answers them. With the real model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from unittest import mock

import pytest
from django.utils import timezone

from faq.models import Entry
from rag.answering.pipeline import answer
from rag.errors import EmbedderUnavailable, VectorStoreUnavailable
from rag.index import jobs, work
from rag.index.embedded_store import EmbeddedStore
from rag.index.embedding import OnnxEmbedder
from rag.models import Job, MissedQuestion, MissGroup, Receipt
from rag.quality import misses, replaying

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]
BICYCLE = ["Where can I park my bicycle?", "where can I park my bike", "Is there a place to park a bicycle?"]
INVOICE = ["How do I download my invoice as a PDF?", "download invoice pdf"]


@pytest.fixture(autouse=True)
def house(published: Published) -> None:
    published("How do I reset my password?", "Choose Forgot password on the login page.")
    published("When are you open?", "Monday to Friday from nine to five.")
    work.run(jobs.request().pk)


def ask(*questions: str) -> None:
    for question in questions:
        answer(question)


def done(kind: str = Job.Kind.MISSES) -> Job:
    job = jobs.request(kind)
    work.run(job.pk)
    job.refresh_from_db()
    return job


def groups() -> set[frozenset[str]]:
    return {frozenset(group.questions.values_list("question", flat=True)) for group in MissGroup.objects.all()}


class TestGrouping:
    def test_what_asks_for_the_same_is_in_one_group(self) -> None:
        ask(*BICYCLE, *INVOICE, BICYCLE[0], BICYCLE[0].lower())
        assert misses.group_new() == 7
        assert groups() == {frozenset(BICYCLE), frozenset(INVOICE)}
        bicycle = MissGroup.objects.order_by("-heat")[0]
        assert (bicycle.question, bicycle.asks, bicycle.wordings) == (BICYCLE[0], 5, 3)
        assert not misses.ungrouped().exists()

    def test_it_makes_no_difference_in_how_many_steps_they_come(self) -> None:
        for question in [*BICYCLE, *INVOICE]:
            ask(question)
            misses.group_new()
        assert groups() == {frozenset(BICYCLE), frozenset(INVOICE)}

    def test_a_wording_is_embedded_once(self) -> None:
        ask(BICYCLE[0])
        misses.group_new()
        ask(BICYCLE[0])
        with mock.patch.object(OnnxEmbedder, "embed", side_effect=AssertionError("it was embedded again")):
            assert misses.group_new() == 1
        assert MissedQuestion.objects.get().asks == 2

    def test_what_is_asked_during_an_outage_is_in_no_group(self) -> None:
        with mock.patch.object(EmbeddedStore, "search", side_effect=VectorStoreUnavailable("refused")):
            ask(*BICYCLE)
        assert Receipt.objects.count() == 3
        assert misses.group_new() == 0

    def test_without_the_model_the_job_says_so_and_loses_nothing(self) -> None:
        ask(*BICYCLE)
        with mock.patch.object(OnnxEmbedder, "embed", side_effect=EmbedderUnavailable("missing", "no model here")):
            job = done()
        assert (job.state, job.outcome) == (Job.State.FAILED, "embedder: no model here")
        assert done().state == Job.State.SUCCEEDED
        assert groups() == {frozenset(BICYCLE)}

    def test_many_asks_long_ago_count_less_than_some_of_today(self) -> None:
        ask(*BICYCLE, *BICYCLE, *BICYCLE)
        Receipt.objects.update(created_at=timezone.now() - timedelta(days=60))
        ask(*INVOICE)
        misses.group_new()
        assert [group.asks for group in MissGroup.objects.all()] == [2, 9]

    def test_after_a_change_of_the_model_groups_are_embedded_anew(self) -> None:
        ask(*BICYCLE)
        misses.group_new()
        MissGroup.objects.update(model="another", vector=b"\0" * 4 * 12)
        ask("Where do I leave my bicycle, is there parking?")
        misses.group_new()
        assert MissGroup.objects.get().wordings == 4

    def test_a_job_that_is_to_stop_stops_between_two_batches_and_keeps_what_is_done(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(misses, "BATCH", 1)
        ask(*BICYCLE)
        job = jobs.request(Job.Kind.MISSES)
        Job.objects.filter(pk=job.pk).update(cancel_requested=True)
        work.run(job.pk)
        job.refresh_from_db()
        assert (job.state, misses.ungrouped().count()) == (Job.State.CANCELLED, 2)

    def test_the_sweep_asks_for_it(self) -> None:
        ask(BICYCLE[0])
        work.sweep()
        assert Job.objects.filter(kind=Job.Kind.MISSES).exists()

    def test_after_a_failure_it_is_not_asked_for_again_at_once(self) -> None:
        """An outage of an hour would else leave hundreds of failed jobs."""
        ask(BICYCLE[0])
        now = timezone.now()
        Job.objects.create(kind=Job.Kind.MISSES, state=Job.State.FAILED, finished_at=now - timedelta(seconds=60))
        work.sweep()
        assert Job.objects.filter(kind=Job.Kind.MISSES).count() == 1
        Job.objects.update(finished_at=now - timedelta(seconds=work.GROUPING_SECONDS + 1))
        work.sweep()
        assert Job.objects.filter(kind=Job.Kind.MISSES).count() == 2

    def test_retention_takes_the_questions_along(self) -> None:
        ask(*BICYCLE)
        Receipt.objects.update(created_at=timezone.now() - timedelta(days=91))
        misses.group_new()
        done(Job.Kind.CLEANUP)
        assert not MissGroup.objects.exists()
        assert not MissedQuestion.objects.exists()


class TestClosing:
    @pytest.fixture
    def bicycle(self) -> MissGroup:
        ask(*BICYCLE, BICYCLE[0])
        done()
        return MissGroup.objects.get()

    def publish(self, published: Published) -> None:
        published(BICYCLE[0], "In the yard.", variants=["Where can I park my bike?"])
        work.run(jobs.request().pk)

    def test_an_entry_that_answers_closes_the_group(self, bicycle: MissGroup, published: Published) -> None:
        assert not replaying.due()
        self.publish(published)
        assert replaying.due()
        assert done().outcome == "0 misses grouped, 1 groups closed."
        bicycle.refresh_from_db()
        assert (bicycle.state, bicycle.asks_answered, bicycle.asks_replayed) == ("answered", 4, 4)
        assert not replaying.due()

    def test_after_a_large_import_the_index_is_searched_for_each_group(
        self, bicycle: MissGroup, published: Published, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replaying, "EMBEDDED", 0)
        self.publish(published)
        assert done().outcome == "0 misses grouped, 1 groups closed."
        assert not replaying.due()

    def test_what_one_job_does_not_manage_stays_due(
        self, bicycle: MissGroup, published: Published, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replaying, "REPLAYED", 0)
        self.publish(published)
        assert done().outcome == "0 misses grouped, 0 groups closed."
        assert replaying.due()

    def test_an_entry_of_something_else_leaves_it_open(self, bicycle: MissGroup, published: Published) -> None:
        published("How do I cancel?", "Under Billing.")
        work.run(jobs.request().pk)
        done()
        bicycle.refresh_from_db()
        assert (bicycle.state, bicycle.replayed_at) == ("open", None)
        assert not replaying.due()

    def test_an_entry_indexed_before_the_group_was_made_closes_it_too(self, published: Published) -> None:
        ask(*BICYCLE)
        self.publish(published)
        done()
        assert MissGroup.objects.get().state == MissGroup.State.ANSWERED

    def test_an_outage_closes_nothing(self, bicycle: MissGroup, published: Published) -> None:
        self.publish(published)
        with mock.patch.object(OnnxEmbedder, "embed", side_effect=EmbedderUnavailable("missing")):
            job = done()
        assert job.state == Job.State.FAILED
        assert job.outcome == "embedder: missing"
        bicycle.refresh_from_db()
        assert (bicycle.state, bicycle.replayed_at) == ("open", None)
        assert replaying.due()

    def test_a_group_that_is_asked_in_vain_again_opens(self, bicycle: MissGroup, published: Published) -> None:
        self.publish(published)
        done()
        Entry.objects.filter(question=BICYCLE[0]).update(status=Entry.Status.ARCHIVED)
        work.run(jobs.request().pk)
        ask(BICYCLE[1])
        done()
        bicycle.refresh_from_db()
        assert (bicycle.state, bicycle.closed_at, bicycle.asks) == ("open", None, 5)

    @pytest.mark.parametrize("state", ["out_of_scope", "snoozed"])
    def test_what_was_put_aside_stays_aside(self, bicycle: MissGroup, state: str) -> None:
        later = timezone.now() + timedelta(days=7)
        MissGroup.objects.update(state=state, snoozed_until=later)
        ask(BICYCLE[0])
        done()
        bicycle.refresh_from_db()
        assert (bicycle.state, bicycle.asks) == (state, 5)

    def test_a_snooze_ends_by_itself(self, bicycle: MissGroup) -> None:
        MissGroup.objects.update(state="snoozed", snoozed_until=timezone.now() - timedelta(minutes=1))
        done()
        bicycle.refresh_from_db()
        assert bicycle.state == "open"

    def test_a_replay_leaves_no_receipt(self, bicycle: MissGroup) -> None:
        before = Receipt.objects.count()
        assert replaying.replay(bicycle) == replaying.Replayed(0, 4)
        assert Receipt.objects.count() == before
