"""The index page: generations and their acts, and a drift board whose every number opens its rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from console.admin.drift_board import KINDS
from faq.models import Entry
from rag.errors import ServiceUnavailable
from rag.index import drift, generations, work
from rag.index.coverage import coverage
from rag.index.vector_store import get_vector_store
from rag.models import DriftScan, Embedding, Generation, Job
from tests.conftest import Index, Publish
from tests.console.test_jobs_pages import INDEX, queries, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]


@pytest.fixture
def as_operator(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def five(published: Publish, indexed: Index) -> list[Entry]:
    entries = [published(f"What is number {number}?", f"It is {number}.") for number in range(5)]
    indexed()
    return entries


def live() -> Generation:
    found = generations.live()
    assert found is not None
    return found


def run(name: str, as_operator: Client, *arguments: int, **data: str) -> Job:
    """Press the button, and do the job that it starts."""
    as_operator.post(reverse(f"admin:{name}", args=arguments), data)
    job = Job.objects.latest("pk")
    work.run(job.pk)
    job.refresh_from_db()
    return job


def drifted(entries: list[Entry]) -> None:
    """One of each kind, behind the ledger's back."""
    store, collection = get_vector_store(), live().collection
    store.remove(collection, [entries[0].pk])  # missing
    Entry.objects.filter(pk=entries[1].pk).update(answer="Another.")  # outdated
    Entry.objects.filter(pk=entries[2].pk).delete()  # orphan
    Entry.objects.filter(pk=entries[3].pk).update(status="archived")  # unpublished


class TestDrift:
    def test_every_number_opens_exactly_its_rows(self, as_operator: Client, five: list[Entry]) -> None:
        drifted(five)
        drift.scan(live())
        board = as_operator.get(INDEX).context["board"]
        assert {line.name: line.scanned for line in board.lines} == {
            **{"missing": 1, "outdated": 1, "wrong_recipe": 0, "orphan": 2, "unpublished": 1},
        }
        assert {line.name: line.now for line in board.lines if line.in_ledger} == {
            **{"missing": 0, "outdated": 1, "unpublished": 2},
        }
        for line in board.lines:
            address = reverse("admin:rag_generation_drift", args=[line.name])
            assert as_operator.get(address, {"by": "scan"}).context["page"].paginator.count == line.scanned
            if line.in_ledger:
                assert as_operator.get(address).context["page"].paginator.count == line.now
        rows = as_operator.get(reverse("admin:rag_generation_drift", args=["missing"]), {"by": "scan"}).context["rows"]
        assert [row["entry_id"] for row in rows] == [five[0].pk]
        orphans = as_operator.get(reverse("admin:rag_generation_drift", args=["orphan"])).context["rows"]
        assert all(row["point"] for row in orphans)

    def test_repair_these_puts_right_this_kind_and_no_other(self, as_operator: Client, five: list[Entry]) -> None:
        drifted(five)
        drift.scan(live())
        as_operator.post(f"{reverse('admin:rag_generation_repair')}?kind=orphan")
        job = Job.objects.latest("pk")
        assert job.scope == {"repair": True, "kinds": ["orphan"]}
        work.run(job.pk)
        counts = DriftScan.objects.latest("pk").counts
        assert counts is not None
        assert counts["orphan"] == 0
        assert counts["missing"] == 1, "nobody asked for this one, and the ledger does not know of it"

    def test_repair_all_leaves_none(self, as_operator: Client, five: list[Entry]) -> None:
        drifted(five)
        drift.scan(live())
        job = run("rag_generation_repair", as_operator)
        assert job.state == "succeeded"
        assert DriftScan.objects.latest("pk").counts == dict.fromkeys(KINDS, 0)

    def test_a_scan_that_broke_off_knows_nothing(
        self, as_operator: Client, five: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drift.scan(live())
        assert "unknown" not in text(as_operator.get(INDEX).content)

        def away(*_: Any) -> Any:
            raise ServiceUnavailable("vector store", "timeout", "no answer")

        monkeypatch.setattr(type(get_vector_store()), "scroll", away)
        run("rag_generation_scan", as_operator)
        page = as_operator.get(INDEX)
        assert [line.scanned for line in page.context["board"].lines] == [None] * 5
        assert text(page.content).count("unknown") >= 5
        rows = as_operator.get(reverse("admin:rag_generation_drift", args=["orphan"]))
        assert "Nobody knows" in text(rows.content)

    def test_before_the_first_scan_it_is_unknown_too(self, as_operator: Client, five: list[Entry]) -> None:
        assert [line.scanned for line in as_operator.get(INDEX).context["board"].lines] == [None] * 5

    def test_another_kind_is_not_found(self, as_operator: Client) -> None:
        assert as_operator.get("/admin/rag/generation/drift/none/").status_code == 404


class TestGenerations:
    def test_build_promote_roll_back_reclaim(self, as_operator: Client, five: list[Entry]) -> None:
        first = live()
        assert "5, as 10 points" in text(as_operator.get(reverse("admin:rag_generation_build")).content)
        assert run("rag_generation_build", as_operator).state == "succeeded"
        second = Generation.objects.get(state="building")
        assert live() == first, "reads stay where they are"

        job = run("rag_generation_promote", as_operator, second.pk)
        assert (job.state, live()) == ("succeeded", second)
        job = run("rag_generation_roll_back", as_operator)
        assert (job.state, live()) == ("succeeded", first)

        address = reverse("admin:rag_generation_reclaim", args=[second.pk])
        refused = as_operator.post(address, {"typed": "something"})
        assert f"Type {second.collection} to go on" in text(refused.content)
        assert Generation.objects.count() == 2
        as_operator.post(address, {"typed": second.collection})
        assert list(Generation.objects.all()) == [first]
        assert get_vector_store().describe(second.collection) is None

    def test_a_promotion_that_is_refused_lists_each_reason(self, as_operator: Client, five: list[Entry]) -> None:
        first = live()
        run("rag_generation_build", as_operator)
        second = Generation.objects.get(state="building")
        get_vector_store().remove(second.collection, [five[0].pk])  # nobody but a scan can tell
        job = run("rag_generation_promote", as_operator, second.pk)
        assert (job.state, live()) == ("failed", first)
        page = text(as_operator.get(reverse("admin:rag_job_change", args=[job.pk])).content)
        assert "Refused; reads go where they went before." in page
        assert "The drift scan is not clean: 1 missing" in page

    def test_what_can_be_told_at_once_is_told_in_the_dialog(
        self, as_operator: Client, five: list[Entry], published: Publish
    ) -> None:
        run("rag_generation_build", as_operator)
        second = Generation.objects.get(state="building")
        published("What is new?", "This.")
        address = reverse("admin:rag_generation_promote", args=[second.pk])
        assert "1 published entries are not in it yet" in text(as_operator.get(address).content)
        jobs_before = Job.objects.filter(kind="promote").count()
        as_operator.post(address)
        assert Job.objects.filter(kind="promote").count() == jobs_before == 0

    def test_the_live_one_is_not_reclaimed(self, as_operator: Client, five: list[Entry]) -> None:
        address = reverse("admin:rag_generation_reclaim", args=[live().pk])
        as_operator.post(address, {"typed": live().collection})
        assert coverage().current == 5

    def test_one_that_a_job_is_building_is_not_reclaimed(self, as_operator: Client, five: list[Entry]) -> None:
        run("rag_generation_build", as_operator)
        second = Generation.objects.get(state="building")
        Job.objects.filter(kind="build").update(state="running")
        address = reverse("admin:rag_generation_reclaim", args=[second.pk])
        as_operator.post(address, {"typed": second.collection})
        assert Generation.objects.filter(pk=second.pk).exists()

    def test_without_a_former_one_there_is_no_way_back(self, as_operator: Client, five: list[Entry]) -> None:
        as_operator.post(reverse("admin:rag_generation_roll_back"))
        assert not Job.objects.filter(kind="roll_back").exists()

    def test_with_nothing_published_it_says_what_comes_first(self, as_operator: Client) -> None:
        page = text(as_operator.get(INDEX).content)
        assert "There is no index yet" in page
        assert "Publish one, and the first generation is made by itself." in page


def test_the_number_of_queries_is_that_of_one(
    as_operator: Client, five: list[Entry], published: Publish, settings: Settings
) -> None:
    published("Another?", "Yes.")
    drift.scan(live())
    few = queries(as_operator, INDEX)
    drift_few = queries(as_operator, reverse("admin:rag_generation_drift", args=["missing"]))
    for number in range(30):
        published(f"Another, number {number}?", "Yes.")
        Generation.objects.create(collection=f"g{number}", recipe="r", model="m", dimension=3, state="retired")
    rows = [
        Embedding(generation=one, entry_id=five[0].pk, text_hash="x", points=2) for one in Generation.objects.all()[:9]
    ]
    Embedding.objects.bulk_create(rows, ignore_conflicts=True)
    assert queries(as_operator, INDEX) == few
    assert queries(as_operator, reverse("admin:rag_generation_drift", args=["missing"])) == drift_few
