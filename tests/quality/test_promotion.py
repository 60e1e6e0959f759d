"""The gate before a generation goes live, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from faq.models import Entry
from rag.answering import retrieval
from rag.index import generations, indexing, jobs, work
from rag.index.coverage import coverage
from rag.index.vector_store import get_vector_store
from rag.models import Case as StoredCase
from rag.models import Generation, Job, StoredPoint
from rag.quality import promotion
from rag.quality.suite import Case

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
Published = Callable[..., Entry]
TOPICS = ["a password", "an invoice", "a refund", "the weather", "a bicycle", "the opening hours"]


@pytest.fixture
def suite(published: Published) -> list[Case]:
    """Six entries, indexed and live, and the questions that find them."""
    entries = [published(f"Where do I see {topic}?", f"Look up {topic} on the page about it.") for topic in TOPICS]
    work.run(jobs.request().pk)
    return [Case(f"show me {t}", frozenset({e.external_id})) for t, e in zip(TOPICS, entries, strict=True)]


def built() -> Generation:
    job = jobs.request(Job.Kind.BUILD)
    work.run(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED
    return Generation.objects.get(pk=job.scope["generation"])


def test_a_complete_clean_and_equal_generation_goes_live(suite: list[Case], settings: Settings) -> None:
    new = built()
    promotion.promote(new, suite)
    now = generations.live()
    assert now == new
    assert get_vector_store().alias_target(settings.QDRANT_COLLECTION_NAME) == new.collection


def test_each_objection_is_a_sentence(suite: list[Case]) -> None:
    new = built()
    Entry.objects.filter(external_id__in=suite[0].relevant).update(answer="Another text.")
    StoredPoint.objects.filter(collection__name=new.collection).last().delete()  # type: ignore[union-attr]  # there is one
    with pytest.raises(promotion.PromotionRefused) as refused:
        promotion.promote(new, suite)
    coverage_short, drifted = refused.value.reasons[:2]
    assert coverage_short == "Coverage is 83.3%: 1 published entries are not in it."
    assert drifted == "The drift scan is not clean: 1 missing, 1 outdated in 11 points."
    assert generations.live() != new


def test_a_generation_that_answers_worse_is_refused_with_figures(suite: list[Case]) -> None:
    new = built()
    rng = np.random.default_rng(1)
    for point in StoredPoint.objects.filter(collection__name=new.collection):
        drawn = rng.normal(size=384).astype("<f4")
        point.vector = (drawn / np.linalg.norm(drawn)).tobytes()
        point.save()
    with pytest.raises(promotion.PromotionRefused) as refused:
        promotion.promote(new, suite)
    assert [reason.split(" would fall")[0] for reason in refused.value.reasons] == [
        "The suite's hit@1",
        "The suite's mrr@10",
    ]


def test_a_generation_that_is_built_follows_edits_made_meanwhile(suite: list[Case], published: Published) -> None:
    new = built()
    published("Where do I see a late one?", "Here.")
    work.run(jobs.request().pk)
    assert coverage().complete
    assert coverage(new).complete


def test_a_build_that_broke_off_is_gone_on_with(suite: list[Case]) -> None:
    begun = generations.beside()
    assert built() == begun
    assert coverage(begun).complete


def test_rolling_back_reads_from_the_former_one_brought_up_to_date(suite: list[Case], published: Published) -> None:
    former = generations.live()
    assert former is not None
    promotion.promote(built())
    published("Where do I see a late one?", "Here.")
    assert promotion.roll_back() == former
    assert generations.live() == former
    assert coverage().complete


def test_there_is_no_way_back_to_what_is_not_kept(suite: list[Case]) -> None:
    with pytest.raises(promotion.PromotionRefused, match="No former generation"):
        promotion.roll_back()


def test_only_what_is_not_live_can_be_reclaimed(suite: list[Case]) -> None:
    former = generations.live()
    assert former is not None
    with pytest.raises(generations.NotPossible, match="is live"):
        generations.reclaim(former)
    promotion.promote(built())
    former.refresh_from_db()
    generations.reclaim(former)
    assert get_vector_store().describe(former.collection) is None
    assert not Generation.objects.filter(pk=former.pk).exists()


def test_former_generations_are_reclaimed_after_their_days(suite: list[Case], settings: Settings) -> None:
    former = generations.live()
    promotion.promote(built())
    work.run(jobs.request(Job.Kind.CLEANUP).pk)
    assert Generation.objects.filter(pk=former.pk).exists()  # type: ignore[union-attr]  # there is one
    settings.GENERATION_DAYS = 0
    work.run(jobs.request(Job.Kind.CLEANUP).pk)
    assert not Generation.objects.filter(pk=former.pk).exists()  # type: ignore[union-attr]  # there is one


def test_an_estimate_comes_before_the_cost(suite: list[Case]) -> None:
    cost = promotion.estimate()
    assert (cost.entries, cost.points) == (6, 12)
    assert cost.bytes == 12 * 384 * 4 * 1.5
    assert cost.seconds > 0


def test_the_stored_suite_bars_a_worse_generation_but_no_way_back(
    suite: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("reindex", "--generation", "new")
    StoredCase.objects.bulk_create(StoredCase(question=one.question, relevant=[*one.relevant]) for one in suite)
    live, ranked = generations.live(), retrieval.nearest

    def worse(vector: Any, collection: str | None = None, **_: Any) -> Any:
        return ranked(vector, collection) if live and collection == live.collection else []

    monkeypatch.setattr(retrieval, "nearest", worse)
    assert any("hit@1 would fall" in reason for reason in promotion.objections(generations.beside()))
    assert promotion.roll_back() != live


def test_another_recipe_is_built_beside_and_goes_live_by_itself(
    suite: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    former = generations.live()
    monkeypatch.setattr("rag.index.recipe.Recipe.fingerprint", "another")
    work.sweep()
    work.run_waiting()
    now = generations.live()
    assert now is not None
    assert (now.recipe, now != former, coverage(now).complete) == ("another", True, True)


class TestCommands:
    def test_build_check_promote_in_one_go(self, suite: list[Case], capsys: pytest.CaptureFixture[str]) -> None:
        former = generations.live()
        call_command("reindex", "--generation", "new")
        assert generations.live() != former
        assert "6 entries as 12 points" in capsys.readouterr().out

    def test_roll_back_and_refusal(self, suite: list[Case]) -> None:
        former = generations.live()
        with pytest.raises(CommandError, match="No former generation"):
            call_command("generations", "--roll-back")
        call_command("reindex", "--generation", "new")
        call_command("generations", "--roll-back")
        assert generations.live() == former
        with pytest.raises(CommandError, match="There is no generation nowhere"):
            call_command("generations", "--promote", "nowhere")


def test_a_slow_former_writer_leaves_nothing_stale(suite: list[Case]) -> None:
    """What was embedded from a text that has moved on is not written, whoever comes late."""
    live = generations.live()
    assert live is not None
    entry = Entry.objects.first()
    assert entry is not None
    stale = list(Entry.objects.filter(pk=entry.pk))
    Entry.objects.filter(pk=entry.pk).update(answer="The newest text.")
    work.run(jobs.request().pk)
    indexing._index(live, stale)
    assert coverage().complete
    held = {p.text_hash for _, p in get_vector_store().scroll(live.collection) if p.entry_id == entry.pk}
    assert held == {Entry.objects.get(pk=entry.pk).text_hash}
