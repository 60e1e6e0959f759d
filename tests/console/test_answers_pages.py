"""The log of receipts, why one answer is as it is, and the question asked again: who sees what, and what is found."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console.admin import answers
from faq.models import Entry
from rag.answering import pipeline
from rag.index import jobs, work
from rag.models import Receipt
from tests.conftest import InRole
from tests.console.test_entries_admin import text

pytestmark = pytest.mark.django_db
LOG = reverse("admin:rag_receipt_changelist")
Published = Callable[..., Entry]


@pytest.fixture
def as_analyst(client: Client, in_role: InRole) -> Client:
    client.force_login(in_role("analyst"))
    return client


def receipt(question: str = "How?", **more: Any) -> Receipt:
    values = {"conversation": uuid.uuid4(), "answer": "So.", "answered_by": "verbatim", "confidence": 0.8}
    return Receipt.objects.create(question=question, **values | more)


def of(one: Receipt) -> str:
    return reverse("admin:rag_receipt_change", args=[one.pk])


def listed(client: Client, query: str = "") -> list[str]:
    return [row["it"].question for row in client.get(LOG + query).context["rows"]]


class TestLog:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["new", "voted", "degraded", "missed", "old"]),
            ("?rung=suggestions", ["missed"]),
            ("?degraded=1", ["degraded"]),
            ("?miss=1", ["missed"]),
            ("?vote=down", ["voted"]),
            ("?vote=any", ["voted"]),
            ("?stage=vector&reason=refused", ["degraded"]),
            ("?stage=vector&reason=timeout", []),
            ("?reason=refused", ["degraded"]),
            ("?window=24h", ["new", "voted", "degraded", "missed"]),
            ("?entry=7", ["voted"]),
            ("?q=MISS", ["missed"]),
            ("?q=request-4711", ["new"]),
            ("?rung=verbatim&degraded=1", ["degraded"]),
            ("?rung=suggestions&degraded=1", []),
        ],
    )
    def test_filters(self, as_analyst: Client, query: str, found: list[str]) -> None:
        now = timezone.now()
        receipt("old", created_at=now - timedelta(days=2))
        receipt("missed", answered_by="suggestions", miss=True, created_at=now - timedelta(minutes=4))
        away = {"degraded": ["vector"], "fallbacks": [["vector", "refused"]]}
        receipt("degraded", **away, created_at=now - timedelta(minutes=3))
        receipt("voted", vote="down", entry_id=7, created_at=now - timedelta(minutes=2))
        receipt("new", request_id="request-4711", created_at=now - timedelta(minutes=1))
        assert listed(as_analyst, query) == found

    def test_a_stretch_of_time_to_the_second(self, as_analyst: Client) -> None:
        now = timezone.now()
        for hours in (1, 2, 3):
            receipt(str(hours), created_at=now - timedelta(hours=hours))
        since, until = (now - timedelta(hours=hours) for hours in (2.5, 1.5))
        assert listed(as_analyst, f"?since={since.isoformat()}&until={until.isoformat()}") == ["2"]

    def test_an_id_leads_straight_to_the_receipt(self, as_analyst: Client) -> None:
        one = receipt()
        receipt("another")
        for identity in (one.pk, one.conversation, str(one.pk).upper()):
            assert as_analyst.get(LOG, {"q": str(identity)}).headers["Location"] == of(one)

    def test_a_filter_that_is_none_is_named(self, as_analyst: Client) -> None:
        receipt()
        page = text(as_analyst.get(LOG + "?rung=lift&since=once&entry=x&window=9y&before=nonsense"))
        for part in ("There is no rung “lift”", "Since is no time", "Entry is no number", "There is no window “9y”"):
            assert part in page
        assert "How?" in page

    def test_every_receipt_is_on_just_one_page(self, as_analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(answers, "A_PAGE", 3)
        moment = timezone.now()
        for number in range(10):  # several at the very same moment
            receipt(str(number), created_at=moment - timedelta(seconds=number // 4))
        seen, query = [], "?"
        while query:
            response = as_analyst.get(LOG + query)
            seen += [row["it"].question for row in response.context["rows"]]
            query = response.context["older"] and f"?before={response.context['older'].replace('+', '%2B')}"
        assert sorted(seen, key=int) == [str(number) for number in range(10)]

    def test_queries_do_not_grow_and_nothing_is_counted(self, as_analyst: Client) -> None:
        counts = []
        for number in (1, 60):
            for _ in range(number):
                receipt()
            as_analyst.get(LOG)
            with CaptureQueriesContext(
                connection,
            ) as asked:
                as_analyst.get(LOG)
            counts.append(len(asked))
            assert not [q for q in asked.captured_queries if "COUNT(" in q["sql"] and "rag_receipt" in q["sql"]]
        assert counts[0] == counts[1]

    def test_an_empty_log_says_what_fills_it(self, as_analyst: Client) -> None:
        assert "Nothing has been asked yet" in text(as_analyst.get(LOG))
        receipt()
        assert "No answer is like this" in text(as_analyst.get(LOG + "?miss=1"))


class TestWhy:
    def test_the_page_tells_how_the_answer_came_about(
        self, as_analyst: Client, published: Published, model: object
    ) -> None:
        entry = published("How do I reset my password?", "Choose Forgot password.")
        published("When are you open?", "From nine to five.")
        work.run(jobs.request().pk)
        given = pipeline.answer("my password is gone, how can I reset it", request_id="r-1")
        one = Receipt.objects.get(pk=given.id)
        Receipt.objects.update(vote="down", vote_reason="Not what I meant")
        page = text(as_analyst.get(of(one)))
        for part in ("no such question", "gave the answer", "not tried", "cuts: likely 0.50, sure 0.75", "r-1"):
            assert part in page
        assert "as it was" in page
        assert "Not what I meant" in page
        entry.answer = "Write to us."
        entry.save()
        assert "changed since" in text(as_analyst.get(of(one)))
        entry.delete()
        assert "deleted since" in text(as_analyst.get(of(one)))

    def test_a_fallback_is_told_in_words(self, as_analyst: Client) -> None:
        one = receipt(degraded=["generate"], fallbacks=[["generate", "rate_limited"]])
        assert "generation: its quota is used up" in text(as_analyst.get(of(one)))

    def test_a_kept_answer_says_that_no_rung_was_tried(self, as_analyst: Client) -> None:
        assert "kept from an earlier" in text(as_analyst.get(of(receipt(cached=True))))

    @pytest.mark.parametrize("name", [uuid.uuid4(), "nonsense", "1"])
    def test_a_receipt_that_is_not_there_is_404(self, as_analyst: Client, name: object) -> None:
        assert as_analyst.get(f"{LOG}{name}/change/").status_code == 404


class TestAgain:
    def test_then_and_now_side_by_side_and_no_receipt(
        self, as_analyst: Client, published: Published, model: object
    ) -> None:
        published("How do I reset my password?", "Choose Forgot password.")
        work.run(jobs.request().pk)
        one = receipt("How do I reset my password?", answered_by="suggestions", answer="Ask again.")
        page = text(as_analyst.post(reverse("admin:rag_receipt_again", args=[one.pk])))
        assert "It is answered by exact now, and was by suggestions." in page
        assert "The text of the answer is another." in page
        assert Receipt.objects.count() == 1

    def test_a_get_asks_nothing(self, as_analyst: Client) -> None:
        with mock.patch.object(pipeline, "try_out", side_effect=AssertionError("it was asked")):
            assert as_analyst.get(reverse("admin:rag_receipt_again", args=[receipt().pk])).status_code == 405


def test_only_who_may_see_receipts_sees_them(client: Client) -> None:
    one = receipt()
    client.force_login(User.objects.create_user("staff", is_staff=True))
    again = reverse("admin:rag_receipt_again", args=[one.pk])
    assert [client.get(LOG).status_code, client.get(of(one)).status_code, client.post(again).status_code] == [403] * 3
