"""The index follows the content: what is behind is a fact, and a job brings exactly that up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from faq.models import Category, Entry
from rag.errors import VectorStoreUnavailable
from rag.index import generations, indexing, jobs, work
from rag.index.coverage import coverage
from rag.index.embedding import get_embedder
from rag.index.recipe import point_texts
from rag.index.runners import get_runner
from rag.index.vector_store import get_vector_store
from rag.models import Generation, Job, StoredCollection, StoredPoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]


def reindex() -> Job:
    job = jobs.request()
    work.run(job.pk)
    job.refresh_from_db()
    return job


def points() -> dict[str, str]:
    """Every indexed point's id and the text hash it bears."""
    live = generations.live()
    assert live is not None
    return {str(pk): payload.text_hash for pk, payload in get_vector_store().scroll(live.collection)}


def expected() -> dict[str, str]:
    return {str(t.point_id): e.text_hash for e in Entry.objects.published() for t in point_texts(e)}


class TestOneEdit:
    def test_a_new_entry_is_missing_until_it_is_indexed(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.", variants=["Where is the exit?"])
        assert (coverage().missing, coverage().ratio) == (1, 0.0)

        reindex()

        assert coverage().complete
        assert points() == expected()
        assert len(points()) == 3  # question, answer, variant

    def test_an_edited_entry_is_outdated_and_loses_points_of_removed_variants(self, published: Published) -> None:
        entry = published("Where are the gates?", "In the wall.", variants=["Exit?", "Way out?"])
        reindex()
        Entry.objects.filter(pk=entry.pk).update(answer="In the roof.", variants=["Exit?"])
        assert coverage().outdated == 1

        reindex()

        assert points() == expected()

    @pytest.mark.parametrize("way", ["archive", "delete", "delete_many"])
    def test_what_is_no_longer_published_leaves_the_index(self, published: Published, way: str) -> None:
        entry = published("Where are the gates?", "In the wall.")
        published("When is lunch?", "At noon.")
        reindex()
        rows = Entry.objects.filter(pk=entry.pk)
        ways: dict[str, Callable[[], Any]] = {
            "archive": lambda: rows.update(status="archived"),
            "delete": entry.delete,
            "delete_many": rows.delete,
        }
        ways[way]()
        assert coverage().unpublished == 1

        reindex()

        assert points() == expected()
        assert coverage().complete

    def test_nothing_behind_embeds_nothing(self, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
        published("Where are the gates?", "In the wall.")
        reindex()
        monkeypatch.setattr(indexing, "get_embedder", lambda: pytest.fail("the model was asked"))
        assert reindex().state == Job.State.SUCCEEDED

    def test_vectors_are_those_of_the_texts(self, published: Published) -> None:
        entry = published("Where are the gates?", "In the wall.")
        reindex()
        stored = {row.point_id: np.frombuffer(row.vector, "<f4") for row in StoredPoint.objects.all()}
        for text in point_texts(entry):
            assert np.allclose(stored[text.point_id], get_embedder().embed([text.text])[0], atol=1e-6)


class TestRaces:
    @pytest.mark.fault(28)
    def test_an_edit_while_it_is_being_embedded_stays_behind(
        self, published: Published, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = published("Where are the gates?", "In the wall.")
        generation = generations.target()
        embed = get_embedder().embed

        def edited_meanwhile(self: Any, texts: Any) -> Any:
            Entry.objects.filter(pk=entry.pk).update(answer="In the roof.")
            return embed(texts)

        monkeypatch.setattr(type(get_embedder()), "embed", edited_meanwhile)
        indexing.index(generation, [entry.pk])
        assert (coverage().current, points()) == (0, {})
        monkeypatch.undo()

        reindex()

        assert points() == expected()

    @pytest.mark.fault(26)
    def test_a_job_delivered_twice_runs_once(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.")
        job = reindex()
        finished_at = job.finished_at
        assert not work.run(job.pk)
        job.refresh_from_db()
        assert job.finished_at == finished_at


class TestFollowing:
    def test_a_job_is_written_with_the_edit_and_enqueued_after_the_commit(
        self, published: Published, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enqueued: list[int] = []
        monkeypatch.setattr(type(get_runner()), "enqueue", lambda self, job_id: enqueued.append(job_id))
        with django_capture_on_commit_callbacks(execute=True):
            published("Where are the gates?", "In the wall.")
            job = Job.objects.get()
            assert (job.state, enqueued) == (Job.State.QUEUED, [])
        assert enqueued == [job.pk]

    def test_a_draft_that_was_never_indexed_asks_for_nothing(self) -> None:
        Entry.objects.create(category=Category.objects.create(name="c"), question="q", answer="a")
        assert not Job.objects.exists()

    def test_the_sweep_finds_what_no_signal_told(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.")
        Job.objects.all().delete()
        work.sweep()
        work.run_waiting()
        assert coverage().complete
        work.sweep()
        assert Job.objects.filter(kind=Job.Kind.REINDEX).count() == 1

    def test_an_edit_during_a_job_gets_a_job_of_its_own(self, published: Published) -> None:
        claim = jobs.claim(jobs.request().pk)
        assert claim is not None
        published("Where are the gates?", "In the wall.")
        assert sorted(Job.objects.values_list("state", flat=True)) == [Job.State.QUEUED, Job.State.RUNNING]


class TestOutage:
    def test_a_failed_job_says_why_and_keeps_what_was_done(
        self, published: Published, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            published(f"Question {number}?", "Answer.")
        monkeypatch.setattr(indexing, "BATCH", 2)
        store, calls = get_vector_store(), []

        def second_fails(self: Any, *args: Any) -> None:
            calls.append(args)
            if len(calls) == 2:
                raise VectorStoreUnavailable("refused", "nobody listens")
            upsert(*args)

        upsert = store.upsert
        monkeypatch.setattr(type(store), "upsert", second_fails)
        job = reindex()
        assert (job.state, job.outcome) == (Job.State.FAILED, "vector store: nobody listens")
        assert coverage().current == 2


class TestGenerations:
    def test_the_first_generation_goes_live_at_once(self) -> None:
        generation = generations.target()
        assert generation.state == Generation.State.LIVE
        assert get_vector_store().alias_target("faq_embeddings") == generation.collection

    def test_a_new_one_is_built_beside_and_then_takes_over(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.")
        reindex()
        former = generations.live()
        assert former is not None

        call_command("reindex", "--generation", "new")

        now = generations.live()
        assert now is not None
        assert now.pk != former.pk
        assert get_vector_store().alias_target("faq_embeddings") == now.collection
        former.refresh_from_db()
        assert former.state == Generation.State.RETIRED
        assert get_vector_store().describe(former.collection) is not None  # kept for rollback

    @pytest.mark.fault(7)
    def test_a_lost_collection_is_filled_again(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.")
        reindex()
        StoredCollection.objects.all().delete()
        reindex()
        assert points() == expected()

    @pytest.mark.fault(8)
    def test_a_collection_of_another_dimension_is_never_written_to(self, published: Published) -> None:
        published("Where are the gates?", "In the wall.")
        reindex()
        StoredCollection.objects.update(dimension=768)
        reindex()
        live = generations.live()
        assert live is not None
        described = get_vector_store().describe(live.collection)
        assert described is not None
        assert described.dimension == 384
        assert points() == expected()


class Content(RuleBasedStateMachine):
    """Any edits in any order, a reindex now and then: after the last one, points are the published texts."""

    def __init__(self) -> None:
        super().__init__()
        self.category, _ = Category.objects.get_or_create(name="c")
        Entry.objects.all().delete()

    @rule(question=st.text("abc ", min_size=1, max_size=8), variants=st.lists(st.text("xyz", max_size=4), max_size=2))
    def add(self, question: str, variants: list[str]) -> None:
        Entry.objects.create(
            category=self.category, question=question, answer="a", variants=variants, status=Entry.Status.PUBLISHED
        )

    @rule(data=st.data(), answer=st.text("def ", max_size=8))
    def edit(self, data: st.DataObject, answer: str) -> None:
        self._some(data).update(answer=answer)

    @rule(data=st.data(), status=st.sampled_from(Entry.Status.values))
    def move(self, data: st.DataObject, status: str) -> None:
        self._some(data).update(status=status)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self._some(data).delete()

    @rule()
    def reindex(self) -> None:
        reindex()
        assert coverage().complete
        assert points() == expected()

    @invariant()
    def the_states_add_up(self) -> None:
        now = coverage()
        assert now.current + now.missing + now.outdated == now.published

    def _some(self, data: st.DataObject) -> Any:
        ids = list(Entry.objects.values_list("pk", flat=True))
        return Entry.objects.filter(pk__in=data.draw(st.lists(st.sampled_from(ids), max_size=3)) if ids else [])


class AnyEdits(TestCase):
    def test_the_index_ends_as_the_content_says(self) -> None:
        run_state_machine_as_test(
            Content, settings=hypothesis_settings(max_examples=15, stateful_step_count=12, deadline=None)
        )
