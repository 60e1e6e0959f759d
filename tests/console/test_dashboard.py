"""Dashboard and health: what is told of index, parts, answers and jobs, by how many queries, and to whom."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.admin import health as health_page
from console.admin.answer_figures import CHART_HEIGHT, RUNGS, Figure, Share, columns
from console.plain_markdown import as_html
from monitoring import health, snapshot
from monitoring.health import CHECKS, Reading, State
from rag.index import drift, generations
from rag.models import Job, Receipt
from rag.quality import counting
from rag.quality.tallies import Hour, Totals
from tests.conftest import Index, Publish
from tests.console.operating import may
from tests.console.test_jobs_pages import a_job, queries, text

pytestmark = pytest.mark.django_db
DASHBOARD = reverse("admin:index")
HEALTH = reverse("admin:health")


@pytest.fixture
def as_operator(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture(autouse=True)
def _a_snapshot_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "KEPT_SECONDS", -1.0)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, State]:
    """Every part is well, but for what a test says."""
    states: dict[str, State] = {}
    asked: list[bool] = []

    def told(*, fresh: bool = False) -> list[Reading]:
        asked.append(fresh)
        now = timezone.now()
        return [
            Reading(check, states.get(check.name, State.OK), 4.0, now - timedelta(minutes=3), now, "so")
            for check in CHECKS
        ]

    monkeypatch.setattr(health_page, "readings", told)
    told.asked = asked  # type: ignore[attr-defined]  # a note on the stand-in
    return states


def receipts(number: int, hours_ago: float, rung: str = "exact", **values: Any) -> None:
    at = timezone.now() - timedelta(hours=hours_ago)
    Receipt.objects.bulk_create(
        Receipt(
            created_at=at,
            conversation=uuid.uuid4(),
            question="?",
            answer="!",
            answered_by=rung,
            confidence=1.0,
            **values,
        )
        for _ in range(number)
    )


class TestParts:
    def test_while_something_is_out_every_page_says_so(self, as_operator: Client, found: dict[str, State]) -> None:
        pages = [DASHBOARD, HEALTH, reverse("admin:rag_job_changelist"), reverse("admin:faq_entry_changelist")]
        assert not any("See the health page" in text(as_operator.get(page).content) for page in pages)
        found["vector_store"] = State.DOWN
        for page in pages:
            said = text(as_operator.get(page).content)
            assert "Embedded vectors are down. Questions are answered by text search" in said
            assert "See the health page" in said

    def test_who_is_not_signed_in_is_told_nothing(self, client: Client, found: dict[str, State]) -> None:
        found["database"] = State.DOWN
        assert "is down" not in text(client.get(reverse("admin:login")).content)

    @pytest.mark.parametrize(
        ("state", "word"),
        [(State.DOWN, "Down"), (State.UNKNOWN, "Unknown"), (State.DEGRADED, "Degraded"), (State.OFF, "Not configured")],
    )
    def test_a_state_is_a_word(self, as_operator: Client, found: dict[str, State], state: State, word: str) -> None:
        found["generator"] = state
        for page in (DASHBOARD, HEALTH):
            assert word in text(as_operator.get(page).content)

    def test_what_is_not_well_needs_somebody_and_what_is_off_does_not(
        self, as_operator: Client, found: dict[str, State]
    ) -> None:
        found.update(redis=State.OFF, generator=State.UNKNOWN)
        needs = as_operator.get(DASHBOARD).context["needs"]
        assert [need.what for need in needs] == ["Gemini: so"]

    def test_a_reload_asks_nobody_anew_and_the_button_does(
        self, as_operator: Client, found: dict[str, State], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[bool] = health_page.readings.asked  # type: ignore[attr-defined]  # a note on the stand-in
        as_operator.get(HEALTH)
        as_operator.get(DASHBOARD)
        assert not any(asked)
        found["redis"] = State.DOWN
        said = text(as_operator.post(reverse("admin:health_check"), follow=True).content)
        assert any(asked)
        assert "Asked anew. Redis: down." in said

    def test_to_ask_anew_is_a_post_and_needs_a_right(self, client: Client, found: dict[str, State]) -> None:
        client.force_login(may("looker", "rag.view_job"))
        assert client.get(reverse("admin:health_check")).status_code == 405
        assert client.post(reverse("admin:health_check")).status_code == 403
        assert b"Check now" not in client.get(HEALTH).content


class TestRunbooks:
    @pytest.fixture(autouse=True)
    def _books(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "redis-down.md").write_text(
            "# Redis is down\n\n- Look at `redis-cli ping`\n- [No workers](no-job-workers.md)\n\n"
            "<script>alert(1)</script>\n"
        )
        (tmp_path.parent / "secret.md").write_text("# Secret")
        monkeypatch.setattr(health_page, "RUNBOOKS", tmp_path)

    def test_a_part_leads_to_its_runbook(self, as_operator: Client, found: dict[str, State]) -> None:
        address = reverse("admin:runbook", args=["redis-down"])
        for page in (DASHBOARD, HEALTH, reverse("admin:runbooks")):
            assert f'href="{address}"' in as_operator.get(page).content.decode()
        book = as_operator.get(address).content.decode()
        assert "<code>redis-cli ping</code>" in book
        assert 'href="../no-job-workers/"' in book
        assert "<script>alert(1)" not in book

    @pytest.mark.parametrize("name", ["none", "..%2Fsecret", "../secret", "redis-down.md"])
    def test_no_other_file_is_shown(self, as_operator: Client, found: dict[str, State], name: str) -> None:
        assert as_operator.get(f"/admin/runbooks/{name}/").status_code in {404, 301}

    def test_links_of_markdown_do_nothing_but_lead(self) -> None:
        assert "javascript:" not in as_html("[x](javascript:alert(1))").replace("[x](javascript:alert(1))", "")


class TestIndexAtAGlance:
    def test_the_ring_and_its_kinds(
        self, as_operator: Client, found: dict[str, State], published: Publish, indexed: Index
    ) -> None:
        published("What is one?", "One.")
        indexed()
        published("What is two?", "Two.")
        page = as_operator.get(DASHBOARD)
        assert 'aria-label="50 % of 2 published entries are current in the index"' in page.content.decode()
        board = page.context["board"]
        assert {line.name: line.count for line in board.lines} == {
            **{"missing": 1, "outdated": 0, "wrong_recipe": None, "orphan": None, "unpublished": 0},
        }
        for line in board.lines:
            assert (
                f'href="{reverse("admin:rag_generation_drift", args=[line.name])}{"?by=scan" if line.by_scan else ""}"'
                in page.content.decode()
            )

    def test_drift_needs_somebody_with_the_button_that_mends_it(
        self, as_operator: Client, found: dict[str, State], published: Publish, indexed: Index
    ) -> None:
        entry = published("What is one?", "One.")
        indexed()
        type(entry).objects.filter(pk=entry.pk).update(status="archived")
        live = generations.live()
        assert live is not None
        drift.scan(live)
        needs = {need.what: need for need in as_operator.get(DASHBOARD).context["needs"]}
        assert needs["1 finding of drift"].address == reverse("admin:rag_generation_repair")

    def test_an_index_that_is_behind_needs_somebody_unless_a_reindex_is_at_work(
        self, as_operator: Client, found: dict[str, State], published: Publish, indexed: Index
    ) -> None:
        entry = published("What is one?", "One.")
        indexed()
        Job.objects.all().delete()
        long_ago = timezone.now() - timedelta(hours=1)
        type(entry).objects.filter(pk=entry.pk).update(answer="Another.", updated_at=long_ago)
        needs = as_operator.get(DASHBOARD).context["needs"]
        assert [(need.what, need.button) for need in needs] == [("The index is behind the content", "Reindex")]
        a_job()
        assert as_operator.get(DASHBOARD).context["needs"] == []

    def test_with_nothing_published_it_says_what_comes_first(
        self, as_operator: Client, found: dict[str, State]
    ) -> None:
        said = text(as_operator.get(DASHBOARD).content)
        assert "Nothing is published yet" in said
        assert "Nobody has asked anything in seven days" in said
        assert "No job has failed" in said
        assert "Nothing needs you" in said


class TestAnswers:
    def test_windows_are_compared_with_the_ones_before(self, as_operator: Client, found: dict[str, State]) -> None:
        receipts(30, 2)
        receipts(10, 3, "suggestions", miss=True, vote="down")
        receipts(20, 30, "verbatim", fallbacks=[["generator", "timeout"]], degraded=["generator"])
        counting.count()
        page = as_operator.get(DASHBOARD)
        tiles = {one.title: one for one, _ in page.context["tiles_of_answers"]}
        assert (tiles["Answers"].now, tiles["Answers"].before) == (40, 20)
        assert (tiles["Misses"].now, tiles["Misses"].share, tiles["Misses"].look) == (10, "25.0%", "sf-poor")
        assert (tiles["Degraded"].now, tiles["Degraded"].before, tiles["Degraded"].look) == (0, 20, "sf-good")
        assert (tiles["Unhelpful votes"].now, tiles["Unhelpful votes"].share) == (10, "10 of 10")
        for one, address in page.context["tiles_of_answers"]:
            assert len(as_operator.get(address).context["rows"]) == one.now, "the tile opens what it counts"
        for n, _, address in page.context["rungs"][0]["shares"]:
            assert len(as_operator.get(address).context["rows"]) == n
        fallbacks = page.context["fallbacks"]
        assert [(one["stage"], one["reason"]) for one in fallbacks] == [("generator", "timeout")]
        assert [str(share) for _, share, _ in fallbacks[0]["shares"]] == ["none", "0.0%", "33.3%"]

    def test_a_window_that_does_not_exist_is_that_of_a_day(self, as_operator: Client, found: dict[str, State]) -> None:
        assert as_operator.get(DASHBOARD, {"window": "9y"}).context["window"] == "24h"
        assert as_operator.get(DASHBOARD, {"window": "7d"}).context["window"] == "7d"

    def test_no_percentage_is_told_of_few(self) -> None:
        assert [str(Share(1, 19)), str(Share(1, 20)), str(Share(0, 0))] == ["1 of 19", "5.0%", "none"]
        assert Figure("Misses", 3, 5, more_is="worse").look == "sf-good"

    @pytest.mark.parametrize("each", [1, 6])
    def test_the_chart_holds_every_answer_and_nothing_sticks_out(self, each: int) -> None:
        start = timezone.now().replace(minute=0)
        hours = [Hour(start + timedelta(hours=n), Totals(answers=n), {RUNGS[n % 5]: n, "exact": 1}) for n in range(25)]
        drawn = columns(hours, each)
        assert sum(column.total for column in drawn) == sum(sum(hour.rungs.values()) for hour in hours)
        for column in drawn:
            assert all(0 <= y <= y + height <= CHART_HEIGHT + 0.2 for _, y, height in column.parts)
        assert max(sum(height for _, _, height in column.parts) for column in drawn) == pytest.approx(
            CHART_HEIGHT, abs=0.5
        )


class TestJobs:
    def test_what_runs_has_a_live_bar_and_what_failed_its_reason(
        self, as_operator: Client, found: dict[str, State]
    ) -> None:
        job = a_job()
        a_job(state="failed", kind="scan", finished_at=timezone.now(), outcome="Qdrant did not answer.")
        page = as_operator.get(DASHBOARD).content.decode()
        assert f'hx-get="{reverse("admin:rag_job_bar", args=[job.pk])}?place=d"' in page
        assert "Qdrant did not answer." in page
        assert "1 job failed" in text(page.encode())


class TestRights:
    def test_each_sees_only_what_they_may_open(self, client: Client, found: dict[str, State]) -> None:
        client.force_login(may("writer", "faq.view_entry"))
        said = text(client.get(DASHBOARD).content)
        assert "Health" in said
        for hidden in ("Coverage", "Which rung answered", "Recent failures"):
            assert hidden not in said
        client.force_login(may("analyst-like", "rag.view_receipt"))
        assert "Which rung answered" in text(client.get(DASHBOARD).content)


def test_the_number_of_queries_does_not_grow(
    as_operator: Client, found: dict[str, State], published: Publish, indexed: Index, operator: User
) -> None:
    published("What is one?", "One.")
    indexed()
    live = generations.live()
    assert live is not None
    drift.scan(live)
    for hours_ago in (1.5, 41):
        receipts(1, hours_ago, "verbatim", fallbacks=[["generator", "timeout"]], degraded=["generator"])
    counting.count()
    Job.objects.all().delete()
    a_job(requested_by=operator)
    a_job(state="failed", finished_at=timezone.now(), kind="scan", requested_by=operator)
    few = queries(as_operator, DASHBOARD)
    for number in range(40):
        published(f"What is number {number}?", "That.")
        a_job(state="failed", finished_at=timezone.now(), kind="scan", requested_by=operator)
        receipts(25, 1.5 + number, RUNGS[number % 5], fallbacks=[[f"stage{number % 7}", "timeout"]], degraded=["x"])
    for number in range(8):
        a_job(scope_key=str(number), requested_by=operator)
    counting.count()
    many = queries(as_operator, DASHBOARD)
    assert many == few
    assert many < 70


def test_readings_are_those_of_monitoring(as_operator: Client) -> None:
    """Without a stand-in for them: what this process knows."""
    names = [one.reading.check.name for one in as_operator.get(HEALTH).context["tiles"]]
    assert names == [check.name for check in health.CHECKS]
