"""Whatever is done to content, jobs, workers and generations, in any order: the drain makes the index true again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import pytest
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from faq.models import Category, Entry
from faq.transfer import import_file
from rag.errors import ServiceUnavailable
from rag.index import generations, jobs, work
from rag.index.vector_store import get_vector_store
from rag.models import Generation, IndexFailure, Job
from rag.quality import promotion
from tests.index import memory_store
from tests.index.memory_store import Killed, assert_true

EXAMPLES = 30 * int(os.environ.get("DRILL_SEEDS", "1"))
STEPS = 25
LONG_AGO = "2026-01-01T00:00Z"
TEXTS = st.sampled_from(["a", "b", "c"])  # few, so that an edit often brings back what was there before
STEPS_TO_LIVE = st.none() | st.integers(0, 12)


class Index(RuleBasedStateMachine):
    """Rules do what editors, operators, queues and power cuts do; the end says what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.world = memory_store.begin_anew()
        self.delivered: list[int] = []
        self.category, _ = Category.objects.get_or_create(name="c")
        Entry.objects.all().delete()
        Generation.objects.all().delete()
        Job.objects.all().delete()

    # --- editors

    @rule(question=TEXTS, answer=TEXTS, variants=st.lists(TEXTS, max_size=2), status=st.sampled_from(Entry.Status))
    def create(self, question: str, answer: str, variants: list[str], status: str) -> None:
        Entry.objects.create(category=self.category, question=question, answer=answer, variants=variants, status=status)

    @rule(data=st.data(), answer=TEXTS, variants=st.lists(TEXTS, max_size=2))
    def edit(self, data: st.DataObject, answer: str, variants: list[str]) -> None:
        for entry in self._some(data)[:1]:
            entry.answer, entry.variants = answer, variants
            entry.save()

    @rule(data=st.data(), status=st.sampled_from(Entry.Status))
    def move(self, data: st.DataObject, status: str) -> None:
        self._some(data).update(status=status)  # without a signal

    @rule(data=st.data(), answer=TEXTS)
    def change_many(self, data: st.DataObject, answer: str) -> None:
        self._some(data).update(answer=answer)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self._some(data).delete()

    @rule(answers=st.lists(TEXTS, min_size=1, max_size=3))
    def import_a_file(self, answers: list[str]) -> None:
        rows = [f"file-{number},c,question {number},{answer}" for number, answer in enumerate(answers)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "entries.csv")
            file.write_text("\n".join(["external_id,category,question,answer", *rows]), encoding="utf-8")
            import_file(file, publish=True)

    # --- queues and workers

    @rule(kind=st.sampled_from([Job.Kind.REINDEX, Job.Kind.REINDEX, Job.Kind.SCAN, Job.Kind.BUILD]))
    def request(self, kind: str) -> None:
        jobs.request(kind)

    @rule(data=st.data(), steps=STEPS_TO_LIVE, answer=st.none() | TEXTS)
    def deliver(self, data: st.DataObject, steps: int | None, answer: str | None) -> None:
        """Any number, in any order, again and again; perhaps edited while it runs, perhaps killed at any step."""
        numbers = [*Job.objects.order_by("pk").values_list("pk", flat=True), *self.delivered]
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            self.delivered.append(number)
            if answer:
                self.world.meanwhile = lambda: Entry.objects.update(answer=answer)
            self._until_killed(lambda: work.run(number), steps)

    @rule(steps=STEPS_TO_LIVE)
    def reindex(self, steps: int | None) -> None:
        """What follows upon each edit, where nothing comes between."""
        self.adopt()
        jobs.request()
        self._until_killed(work.run_waiting, steps)

    @rule(steps=STEPS_TO_LIVE)
    def sweep(self, steps: int | None) -> None:
        self._until_killed(work.sweep, steps)

    @rule()
    def adopt(self) -> None:
        Job.objects.filter(state=Job.State.RUNNING).update(heartbeat_at=LONG_AGO)
        jobs.adopt_abandoned()

    # --- operators and accidents

    @rule(steps=STEPS_TO_LIVE)
    def promote(self, steps: int | None) -> None:
        for generation in Generation.objects.filter(state=Generation.State.BUILDING)[:1]:
            with suppress(promotion.PromotionRefused):
                self._until_killed(partial(promotion.promote, generation), steps)

    @rule(steps=STEPS_TO_LIVE)
    def roll_back(self, steps: int | None) -> None:
        with suppress(promotion.PromotionRefused):
            self._until_killed(promotion.roll_back, steps)

    @rule()
    def lose_the_collection(self) -> None:
        if (live := generations.live()) and live.collection in self.world.collections:
            get_vector_store().drop(live.collection)

    # --- and then

    def teardown(self) -> None:
        drain()
        assert_true()

    def _some(self, data: st.DataObject) -> Any:
        ids = list(Entry.objects.order_by("pk").values_list("pk", flat=True))
        return Entry.objects.filter(pk__in=data.draw(st.lists(st.sampled_from(ids), max_size=3)) if ids else [])

    def _until_killed(self, do: Callable[[], object], steps: int | None) -> None:
        until_killed(do, steps)


def until_killed(do: Callable[[], object], steps: int | None) -> bool:
    """Was it killed?"""
    memory_store.world.steps_to_live = steps
    try:
        do()
    except Killed:
        return True
    except ServiceUnavailable:
        pass
    finally:
        memory_store.world.steps_to_live = None
        memory_store.world.meanwhile = None
    return False


def drain() -> None:
    """What the sweeps of the next minute do."""
    # Three deaths park an entry, as they should; this is the operator who says "again".
    IndexFailure.objects.all().delete()
    for _ in range(4):
        Job.objects.filter(state=Job.State.RUNNING).update(heartbeat_at=LONG_AGO)
        work.sweep()
        work.run_waiting()
    assert not work.index_is_behind()


def dying(update: Callable[..., None]) -> Callable[..., None]:
    """A worker may also die just before or just after it has written to its job's row."""

    def wrapped(self: jobs.Claim, **values: Any) -> None:
        memory_store.world.step()
        update(self, **values)
        memory_store.world.step()

    return wrapped


Edit = Callable[[], object]


def _change(**values: Any) -> Edit:
    return lambda: Entry.objects.all().update(**values)


# What is done before a worker is killed at its work, and what before the next one comes.
ACCIDENTS: dict[str, tuple[Edit, Edit]] = {
    "new, then deleted": (lambda: None, lambda: Entry.objects.all().delete()),
    "edited, then edited back": (_change(answer="b"), _change(answer="a")),
    "a variant more, then taken back": (_change(variants=["v"]), _change(variants=[])),
    "archived, then published again": (_change(status="archived"), _change(status="published")),
    "edited, then archived": (_change(answer="b"), _change(status="archived")),
}


@override_settings(
    VECTOR_STORE="tests.index.memory_store.MemoryStore", EMBEDDER="tests.index.memory_store.HashEmbedder"
)
class AnyHistory(TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.object(jobs.Claim, "_update", dying(jobs.Claim._update)))
        self.enterContext(mock.patch.object(work, "REST_SECONDS", 0.0))

    def test_after_the_drain_points_ledger_and_content_are_one(self) -> None:
        run_state_machine_as_test(
            Index, settings=hypothesis.settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)
        )

    @pytest.mark.fault(22)
    def test_a_worker_may_be_killed_at_any_step(self) -> None:
        for name, (before, after) in ACCIDENTS.items():
            steps, killed = 0, True
            while killed:
                with self.subTest(name, steps=steps):
                    killed = self._killed_at(steps, before, after, indexed_first=not name.startswith("new"))
                steps += 1
            assert steps > 4, "there are steps to die at"

    def _killed_at(self, steps: int, before: Edit, after: Edit, *, indexed_first: bool) -> bool:
        Index()
        Entry.objects.create(
            category=Category.objects.get(name="c"), question="q", answer="a", status=Entry.Status.PUBLISHED
        )
        if indexed_first:
            drain()
        before()
        jobs.request()
        killed = until_killed(work.run_waiting, steps)
        after()
        drain()
        assert_true()
        return killed
