"""Roll-ups: equal to what the receipts say, whatever happened in which order, and kept when those are deleted."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from faq.models import Category, Entry
from rag.answering import pipeline
from rag.index import jobs, work
from rag.models import CountedHour, EntryTally, HourTally, Job, Receipt
from rag.quality import counting, tallies
from rag.quality.tallies import Answers, Asked, Totals

NOW = datetime(2026, 11, 25, 15, 40, tzinfo=UTC)
AWAY = [["database", "refused"]]


def receipt(ago: timedelta, rung: str = "verbatim", **more: Any) -> Receipt:
    values = {"conversation": uuid.uuid4(), "question": "q", "answer": "a", "confidence": 0.5, "entry_id": 1}
    fallbacks = more.pop("fallbacks", [])
    more |= {"fallbacks": fallbacks, "degraded": [stage for stage, _ in fallbacks]}
    return Receipt.objects.create(created_at=NOW - ago, answered_by=rung, **values | more)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.fixture(autouse=True)
def _now() -> Any:
    with mock.patch("django.utils.timezone.now", return_value=NOW):
        yield


def by_hand(since: datetime, until: datetime) -> tuple[Totals, Counter[Answers]]:
    """The same from every receipt, one by one."""
    rows = list(Receipt.objects.filter(created_at__gte=since, created_at__lt=until))
    found: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        found.update((row.answered_by, stage, reason) for stage, reason in [("", ""), *row.fallbacks])
    totals = Totals(
        answers=len(rows),
        degraded=sum(bool(row.fallbacks) for row in rows),
        misses=sum(row.miss for row in rows),
        up=sum(row.vote == "up" for row in rows),
        down=sum(row.vote == "down" for row in rows),
        cached=sum(row.cached for row in rows),
    )
    return totals, Counter(Answers(*key, n) for key, n in found.items())


@pytest.mark.django_db
class TestFigures:
    def test_a_window_is_counted_from_its_first_to_its_last_minute(self) -> None:
        for ago in (0.1, 0.9, 3, 23.9, 24.1, 30):
            receipt(hours(ago))
        counting.count()
        assert tallies.totals(NOW - hours(24), NOW).answers == 4
        assert tallies.totals(NOW - hours(0.5), NOW).answers == 1
        assert [window.answers for window in tallies.with_window_before(hours(24), NOW)] == [4, 2]

    def test_by_rung_stage_and_reason(self) -> None:
        receipt(hours(2), "text_search", fallbacks=[["embed", "missing"], ["database", "timeout"]])
        receipt(hours(2), "text_search", fallbacks=[["embed", "missing"]])
        receipt(hours(2), "exact", cached=True)
        for counted in (False, True):
            assert tallies.answers(NOW - hours(24), NOW) == [
                Answers("text_search", "", "", 2),
                Answers("text_search", "embed", "missing", 2),
                Answers("exact", "", "", 1),
                Answers("text_search", "database", "timeout", 1),
            ]
            assert tallies.totals(NOW - hours(24), NOW) == Totals(answers=3, degraded=2, cached=1)
            assert counted or counting.count()

    def test_a_series_has_a_point_for_every_hour(self) -> None:
        receipt(hours(2), "exact", fallbacks=AWAY)
        receipt(hours(0.1), "suggestions", miss=True, fallbacks=AWAY)
        counting.count()
        series = tallies.hourly(NOW - hours(3), NOW)
        assert [(point.hour.hour, dict(point.rungs)) for point in series] == [
            (12, {}),
            (13, {"exact": 1}),
            (14, {}),
            (15, {"suggestions": 1}),
        ]
        assert series[1].totals == Totals(answers=1, degraded=1)
        assert series[-1].totals == Totals(answers=1, degraded=1, misses=1)

    def test_an_hour_that_goes_on_is_left_to_its_receipts(self) -> None:
        receipt(hours(0.1))
        assert (counting.due(), counting.count()) == (False, 0)
        assert tallies.totals(NOW - hours(1), NOW).answers == 1

    def test_counting_again_changes_nothing(self) -> None:
        receipt(hours(5))
        receipt(hours(29), vote="up")
        assert counting.count() == 2
        before = list(HourTally.objects.order_by("pk").values())
        assert counting.count() == 0
        assert list(HourTally.objects.order_by("pk").values()) == before
        CountedHour.objects.update(stale=True)
        assert counting.count() == 2
        assert tallies.totals(NOW - hours(48), NOW) == Totals(answers=2, up=1)
        assert EntryTally.objects.get().asks == 2


@pytest.mark.django_db
class TestVotes:
    def test_a_vote_on_a_counted_hour_counts_at_once(self, client: Client) -> None:
        answered = receipt(hours(5))
        counting.count()
        client.post(f"/api/chat/{answered.pk}/feedback/", {"vote": "down"}, content_type="application/json")
        assert tallies.totals(NOW - hours(24), NOW) == Totals(answers=1, down=1)
        assert counting.count() == 1
        assert tallies.totals(NOW - hours(24), NOW) == Totals(answers=1, down=1)
        assert tallies.asks([1]) == {1: Asked(asks=1, down=1)}

    def test_a_late_vote_does_not_undo_what_was_counted_before_retention(self) -> None:
        old = receipt(timedelta(days=90, hours=1))
        kept = receipt(timedelta(days=89, hours=23))
        counting.count()
        old.delete()
        counting.voted(kept.pk, "up", "")
        CountedHour.objects.update(stale=True)
        counting.count()
        assert tallies.totals(NOW - timedelta(days=91), NOW).answers == 2
        assert not CountedHour.objects.filter(stale=True).exists()


@pytest.mark.django_db
class TestEntries:
    def test_asks_and_votes_of_each_entry(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        receipt(hours(50), entry_id=1, vote="up")
        receipt(hours(2), entry_id=1, vote="down")
        receipt(hours(0.1), entry_id=1)
        receipt(hours(0.1), "suggestions", entry_id=None)
        counting.count()
        with django_assert_num_queries(3):
            assert tallies.asks([1, 2]) == {1: Asked(3, 1, 1), 2: Asked()}

    def test_entries_can_be_put_in_order_by_them(self) -> None:
        category = Category.objects.create(name="c")
        entries = [Entry.objects.create(question=q, answer="a", category=category) for q in ("few", "many", "none")]
        for entry, number in zip(entries, (1, 3, 0), strict=True):
            for _ in range(number):
                receipt(hours(2), entry_id=entry.pk)
        counting.count()
        ordered = tallies.with_asks(Entry.objects.all()).order_by("-asks")
        assert [(entry.question, entry.asks) for entry in ordered] == [("many", 3), ("few", 1), ("none", 0)]

    def test_a_receipt_names_the_entry_that_answered(self, published: Any) -> None:
        entry = published("How do I pay?", "By card.")
        pipeline.answer("How do I pay?")
        assert Receipt.objects.get().entry_id == entry.pk


@pytest.mark.django_db
class TestJob:
    def test_the_sweep_asks_for_it_when_an_hour_has_ended(self, indexed: Any) -> None:
        work.sweep()
        assert not Job.objects.filter(kind=Job.Kind.TALLY).exists()
        receipt(hours(2))
        work.sweep()
        job = Job.objects.get(kind=Job.Kind.TALLY)
        work.run(job.pk)
        job.refresh_from_db()
        assert (job.state, job.outcome) == (Job.State.SUCCEEDED, "1 hours counted.")
        assert not counting.due()

    def test_what_retention_deletes_stays_counted(self) -> None:
        receipt(timedelta(days=200), vote="up")
        work.run(jobs.request(Job.Kind.CLEANUP).pk)
        assert not Receipt.objects.exists()
        assert tallies.totals(NOW - timedelta(days=201), NOW) == Totals(answers=1, up=1)
        assert tallies.asks([1]) == {1: Asked(asks=1, up=1)}


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow(django_assert_max_num_queries: Any) -> None:
    for number in range(40):
        receipt(hours(number), fallbacks=AWAY if number % 2 else [])
    counting.count()
    CountedHour.objects.filter(hour__lt=NOW - hours(20)).update(stale=True)
    for ask in (tallies.answers, tallies.totals, tallies.hourly):
        with django_assert_max_num_queries(4):
            ask(NOW - hours(39), NOW)


receipts = st.lists(
    st.tuples(
        st.integers(0, 60 * 60),  # minutes ago
        st.sampled_from(["exact", "verbatim", "suggestions"]),
        st.lists(st.sampled_from([["embed", "missing"], ["database", "refused"]]), max_size=2, unique_by=str),
        st.sampled_from(["", "up", "down"]),
        st.booleans(),
    ),
    max_size=12,
)


class TalliesAreExact(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(before=receipts, after=receipts, votes=st.lists(st.integers(0, 11)), since=st.integers(1, 70 * 60))
    def test_whenever_they_are_counted_they_say_what_the_receipts_say(
        self, before: Any, after: Any, votes: list[int], since: int
    ) -> None:
        with mock.patch("django.utils.timezone.now", return_value=NOW - hours(12)):
            written = [self.write(*one) for one in before if one[0] >= 12 * 60]
            counting.count()
        for number in votes:
            if number < len(written):
                counting.voted(written[number].pk, "down", "")
        for one in after:
            if one[0] < 12 * 60:
                self.write(*one)
        window = (NOW - timedelta(minutes=since), NOW)
        for _ in range(2):
            assert (tallies.totals(*window), Counter(tallies.answers(*window))) == by_hand(*window)
            with mock.patch("django.utils.timezone.now", return_value=NOW):
                counting.count()

    def write(self, ago: int, rung: str, fallbacks: list[list[str]], vote: str, miss: bool) -> Receipt:
        return receipt(timedelta(minutes=ago), rung, fallbacks=fallbacks, vote=vote, miss=miss)
