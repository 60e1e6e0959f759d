"""The jobs' pages: what they tell, what stops polling, who may do what, and that only a POST does anything."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console.admin.progress import progress_of
from console.models import AuditEvent
from console.palette import search
from rag.index import generations, jobs, work
from rag.models import Generation, IndexFailure, Job
from tests.conftest import Index, Publish
from tests.console.operating import may

pytestmark = pytest.mark.django_db
LIST = reverse("admin:rag_job_changelist")
INDEX = reverse("admin:rag_generation_changelist")
# Every act of an operator, and the right that it needs.
ACTS = [
    ("rag_job_reindex", [], "rag.add_job"),
    ("rag_job_reindex_all", [], "rag.add_job"),
    ("rag_job_retry_failed", [], "rag.change_job"),
    ("rag_job_cancel", [1], "rag.change_job"),
    ("rag_job_resume", [1], "rag.change_job"),
    ("rag_generation_build", [], "rag.add_generation"),
    ("rag_generation_promote", [1], "rag.change_generation"),
    ("rag_generation_roll_back", [], "rag.change_generation"),
    ("rag_generation_reclaim", [1], "rag.delete_generation"),
    ("rag_generation_scan", [], "rag.add_job"),
    ("rag_generation_repair", [], "rag.add_job"),
]


@pytest.fixture
def as_operator(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def text(content: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content.decode()))


def a_job(**values: object) -> Job:
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=40), "heartbeat_at": now}
    return Job.objects.create(**{"kind": "reindex", "state": "running", "total": 200, "done": 50, **times, **values})


def row_counts() -> dict[str, int]:
    models = (Job, Generation, IndexFailure, AuditEvent)
    return {model.__name__: model.objects.count() for model in models}


class TestRights:
    @pytest.mark.parametrize(("name", "arguments", "right"), ACTS)
    def test_an_act_needs_its_right_for_a_look_and_for_the_deed(
        self, client: Client, name: str, arguments: list[int], right: str
    ) -> None:
        every = {one for _, _, one in ACTS} | {"rag.view_job", "rag.view_generation", "faq.change_entry"}
        client.force_login(may("all-but-one", *(every - {right})))
        address = reverse(f"admin:{name}", args=arguments)
        before = row_counts()
        assert client.get(address).status_code == 403
        assert client.post(address).status_code == 403
        assert row_counts() == before

    @pytest.mark.parametrize(("name", "arguments", "right"), ACTS)
    def test_a_look_at_an_act_does_nothing(
        self, as_operator: Client, name: str, arguments: list[int], right: str
    ) -> None:
        Job.objects.create(pk=1, kind="reindex", state="running", done=1, total=4)
        Generation.objects.create(pk=1, collection="one", recipe="r", model="m", dimension=3)
        before = row_counts()
        response = as_operator.get(reverse(f"admin:{name}", args=arguments))
        assert response.status_code == 200
        assert b"</form>" in response.content
        assert row_counts() == before
        assert not Job.objects.get(pk=1).cancel_requested

    def test_pages_need_the_right_to_look(self, client: Client) -> None:
        job = a_job()
        pages = [
            LIST,
            INDEX,
            reverse("admin:rag_job_change", args=[job.pk]),
            reverse("admin:rag_job_bar", args=[job.pk]),
        ]
        pages += [
            reverse("admin:rag_job_panel", args=[job.pk]),
            reverse("admin:rag_generation_drift", args=["missing"]),
        ]
        client.force_login(may("stranger", "faq.view_entry"))
        assert [client.get(page).status_code for page in pages] == [403] * len(pages)
        client.force_login(may("looker", "rag.view_job", "rag.view_generation"))
        assert [client.get(page).status_code for page in pages] == [200] * len(pages)
        assert b"data-act" not in client.get(LIST).content + client.get(INDEX).content

    def test_django_s_own_forms_for_jobs_and_generations_are_shut(self, as_operator: Client) -> None:
        job = a_job()
        for address in ("/admin/rag/job/add/", f"/admin/rag/job/{job.pk}/delete/", "/admin/rag/generation/add/"):
            assert as_operator.post(address, {"post": "yes"}).status_code == 403
        assert Job.objects.count() == 1


class TestStarting:
    def test_a_reindex_is_started_and_never_done(self, as_operator: Client, operator: User) -> None:
        said = text(as_operator.post(reverse("admin:rag_job_reindex"), follow=True).content)
        job = Job.objects.get()
        assert f"Started: job #{job.pk} , reindex." in said
        assert (job.state, job.scope, job.requested_by) == ("queued", {}, operator)
        event = AuditEvent.objects.get(verb="job_asked")
        assert (event.actor, event.object_name) == (operator, "Reindex what has changed?")

    def test_a_second_press_finds_the_same_job(self, as_operator: Client) -> None:
        for _ in range(2):
            as_operator.post(reverse("admin:rag_job_reindex"))
        assert Job.objects.count() == 1

    def test_it_comes_back_to_where_it_was_opened_filters_and_all(self, as_operator: Client) -> None:
        here = f"{LIST}?show=failed&kind=scan"
        dialog = as_operator.get(reverse("admin:rag_job_reindex"), headers={"X-Dialog": "1", "X-From": here})
        assert b"<html" not in dialog.content
        assert f'value="{here.replace("&", "&amp;")}"' in dialog.content.decode()
        assert as_operator.post(reverse("admin:rag_job_reindex"), {"back": here})["Location"] == here

    @pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org/admin/", "/", "javascript:alert(1)"])
    def test_it_leads_nowhere_else(self, as_operator: Client, elsewhere: str) -> None:
        assert as_operator.post(reverse("admin:rag_job_reindex"), {"back": elsewhere})["Location"] == INDEX

    def test_everything_anew_and_after_a_stop_only_what_is_left(
        self, as_operator: Client, published: Publish, indexed: Index, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(10):
            published(f"What is number {number}?", f"It is {number}.")
        indexed()
        Job.objects.all().delete()
        monkeypatch.setattr("rag.index.indexing.BATCH", 4)
        as_operator.post(reverse("admin:rag_job_reindex_all"))
        job = Job.objects.get()
        work.run(job.pk, watch=lambda done, total: jobs.cancel(job))
        job.refresh_from_db()
        assert (job.state, job.done, job.total) == ("cancelled", 4, 10)
        as_operator.post(reverse("admin:rag_job_resume", args=[job.pk]))
        resumed = Job.objects.latest("pk")
        work.run(resumed.pk)
        resumed.refresh_from_db()
        assert (resumed.state, resumed.done) == ("succeeded", 6)

    def test_what_somebody_has_cancelled_the_sweep_does_not_take_up_again(
        self, as_operator: Client, published: Publish, model: object
    ) -> None:
        published("What is it?", "It.")
        job = jobs.request()
        as_operator.post(reverse("admin:rag_job_cancel", args=[job.pk]))
        job.refresh_from_db()
        assert (job.state, jobs.busy_or_resting(10.0)) == ("cancelled", True)
        Job.objects.update(finished_at=timezone.now() - timedelta(seconds=jobs.HELD_SECONDS + 1))
        assert not jobs.busy_or_resting(10.0)

    def test_a_job_that_has_ended_is_not_cancelled(self, as_operator: Client) -> None:
        job = a_job(state="succeeded", finished_at=timezone.now())
        response = as_operator.post(reverse("admin:rag_job_cancel", args=[job.pk]), follow=True)
        assert "Nothing was changed. It has ended already: succeeded." in text(response.content)


class TestProgress:
    def test_the_bar_polls_while_the_job_goes_on_and_not_after(self, as_operator: Client) -> None:
        job = a_job()
        bar, panel = (reverse(f"admin:rag_job_{name}", args=[job.pk]) for name in ("bar", "panel"))
        for address in (bar, panel):
            going = as_operator.get(address).content.decode()
            assert f'hx-get="{address}"' in going
            assert 'aria-valuenow="25"' in going
        Job.objects.update(state="succeeded", done=200, finished_at=timezone.now())
        for address in (bar, panel):
            assert "hx-" not in as_operator.get(address).content.decode()

    def test_a_job_tells_everything(self, as_operator: Client, operator: User) -> None:
        job = a_job(requested_by=operator, failed=2, skipped=3, attempts=2, scope={"all": True})
        said = text(as_operator.get(reverse("admin:rag_job_change", args=[job.pk])).content)
        for words in ("every entry anew", "Asked for by operator", "Total 200", "Skipped 3", "Failed 2", "Tries 2"):
            assert words in said
        assert re.search(r"Rate 1\.\d a second", said)
        assert re.search(r"50 of 200, 2 failed, \d+ (s|min) to \d+ (s|min) left", said)

    def test_nothing_is_guessed_before_a_twentieth_is_done(self) -> None:
        assert progress_of(a_job(done=9)).left == ""
        assert progress_of(a_job(done=10, kind="build")).left

    def test_before_the_total_is_known_there_is_no_percentage(self, as_operator: Client) -> None:
        bar = as_operator.get(reverse("admin:rag_job_bar", args=[a_job(total=0, done=0).pk])).content.decode()
        assert "aria-valuenow" not in bar
        assert "not known yet" in bar

    def test_a_worker_that_is_silent_is_told(self, as_operator: Client) -> None:
        job = a_job(heartbeat_at=timezone.now() - timedelta(minutes=5))
        assert progress_of(job).stalled
        assert "has not been heard of" in text(as_operator.get(reverse("admin:rag_job_change", args=[job.pk])).content)

    def test_one_in_a_thousand_that_failed_is_seen(self) -> None:
        job = a_job(total=1000, done=1000, failed=1, state="succeeded")
        assert (progress_of(job).good_percent, progress_of(job).failed_percent) == (99, 1)

    def test_parked_entries_are_named_with_a_link_and_can_be_tried_again(
        self, as_operator: Client, published: Publish, indexed: Index
    ) -> None:
        entry = published("What is poison?", "This.")
        indexed()
        live = generations.live()
        assert live is not None
        job = a_job(state="succeeded", finished_at=timezone.now() + timedelta(minutes=1), failed=1)
        IndexFailure.objects.create(
            generation=live, entry_id=entry.pk, text_hash=entry.text_hash, tries=3, reason="MemoryError: too much"
        )
        content = as_operator.get(reverse("admin:rag_job_change", args=[job.pk])).content.decode()
        assert reverse("admin:faq_entry_change", args=[entry.pk]) in content
        assert "What is poison?" in content
        assert "Parked until it is edited" in content
        assert "MemoryError: too much" in content
        as_operator.post(reverse("admin:rag_job_retry_failed"))
        assert not IndexFailure.objects.exists()
        assert Job.objects.filter(state="queued").exists()


class TestList:
    def test_lists_count_what_they_show(self, as_operator: Client) -> None:
        for state, failed in (("running", 0), ("failed", 0), ("succeeded", 0), ("succeeded", 4), ("cancelled", 0)):
            a_job(state=state, failed=failed, kind="scan" if state == "cancelled" else "reindex")
        for name, number in (("all", 5), ("active", 1), ("failed", 2), ("succeeded", 2), ("cancelled", 1)):
            response = as_operator.get(LIST, {"show": name})
            assert len(response.context["jobs"]) == number
            assert {one["name"]: one["count"] for one in response.context["lists"]}[name] == number
        assert len(as_operator.get(LIST, {"kind": "scan"}).context["jobs"]) == 1

    def test_it_says_why_it_is_empty(self, as_operator: Client) -> None:
        assert "No job has run yet" in text(as_operator.get(LIST).content)
        a_job()
        assert "Nothing has failed in the last thirty days" in text(as_operator.get(LIST, {"show": "failed"}).content)

    def test_the_number_of_queries_is_that_of_one(self, as_operator: Client, operator: User) -> None:
        a_job(requested_by=operator, state="succeeded")
        few = queries(as_operator, LIST)
        for _ in range(60):
            a_job(requested_by=operator, state="succeeded")
        assert queries(as_operator, LIST) == few


def queries(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


class TestPalette:
    def test_verbs_and_jobs_are_found_by_those_who_may(self, as_operator: Client, rf: object) -> None:
        job = a_job()
        found = as_operator.get(reverse("admin:search"), {"s": "scan drift", "extended": "1"}).content.decode()
        assert reverse("admin:rag_generation_scan") in found
        found = as_operator.get(reverse("admin:search"), {"s": f"job #{job.pk}", "extended": "1"}).content.decode()
        assert reverse("admin:rag_job_change", args=[job.pk]) in found

    def test_who_may_not_does_not_find_them(self, client: Client) -> None:
        client.force_login(may("looker", "rag.view_job"))
        request = client.get("/admin/").wsgi_request
        assert [one.title for one in search(request, "reindex")] == []
        assert next(one.title for one in search(request, "jobs")) == "Jobs"
