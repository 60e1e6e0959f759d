"""The scrape: always 200, for the inside only, and what it says is what the console shows."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from monitoring import collectors, health, slots, snapshot
from rag.models import Job
from tests.conftest import Index, Publish
from tests.servers import Redis
from tests.stack.scraping import Scrape, parsed

pytestmark = pytest.mark.django_db(transaction=True)


def scrape(client: Client | None = None) -> Scrape:
    response = (client or Client()).get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=")
    return parsed(response.content.decode())


def test_it_says_what_the_snapshot_says(published: Publish, indexed: Index) -> None:
    published("Where is it?", "There.")
    indexed()
    published("And the other?", "Elsewhere.")
    taken = snapshot.snapshot(fresh=True)
    found = scrape()
    assert taken.coverage is not None
    assert found.total("faq_index_coverage_ratio") == taken.coverage.ratio == 0.5
    assert found.total("faq_index_entries", state="missing") == taken.coverage.missing == 1
    assert found.total("faq_dependency_up", dependency="database") == 1
    assert found.total("faq_metrics_parts_failed") == 0


def test_what_is_not_known_has_no_series(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name for name, _ in scrape().values}
    assert "faq_drift_findings" not in names  # nobody has compared yet
    assert not [labels for name, labels in scrape().values if ("dependency", "redis") in labels and "up" in name]


def test_a_job_that_is_wanted_and_never_succeeded_is_at_zero(settings: Settings) -> None:
    settings.BACKUP_COMMAND = "true"
    assert ("faq_job_last_success_timestamp_seconds", (("kind", "backup"),)) in scrape().values
    Job.objects.create(kind=Job.Kind.BACKUP, state=Job.State.SUCCEEDED, finished_at=timezone.now())
    snapshot.forget()
    assert scrape().total("faq_job_last_success_timestamp_seconds", kind="backup") > 1e9


def test_a_part_that_fails_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(collectors, "_machine", broken)
    found = scrape()
    assert found.total("faq_metrics_parts_failed") == 1
    assert found.total("faq_dependency_up", dependency="migrations") == 1


def test_counters_that_cannot_be_read_do_not_silence_the_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(slots.DIRECTORY, str(tmp_path))
    (tmp_path / "counter_0.db").touch()
    found = scrape()
    assert found.total("faq_metrics_parts_failed") == 1
    assert found.total("faq_dependency_up", dependency="migrations") == 1


def test_a_database_that_is_down_is_told_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    def broken() -> str:
        raise OperationalError("gone")

    def asked() -> Any:
        raise AssertionError("the database was asked")

    changed = [replace(one, probe=broken) if one.name == "database" else one for one in health.CHECKS]
    monkeypatch.setattr(health, "CHECKS", tuple(changed))
    monkeypatch.setattr(collectors, "snapshot", asked)
    found = scrape()
    assert ("faq_dependency_up", (("dependency", "database"),)) in found.values
    assert found.total("faq_dependency_up", dependency="database") == 0
    assert found.total("faq_metrics_parts_failed") == 0


def test_rq_is_read_and_its_absence_is_no_failure(redis: Redis, settings: Settings) -> None:
    settings.REDIS_URL, settings.JOB_RUNNER = redis.url, "rag.index.runners.RqRunner"
    assert scrape().values[("faq_queue_messages", (("list", "queued"),))] == 0
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    found = scrape()
    assert ("faq_queue_messages", (("list", "queued"),)) not in found.values
    assert found.total("faq_metrics_parts_failed") == 0


@pytest.mark.parametrize("host", ["app:8000", "10.1.2.3", "localhost"])
def test_inside_any_name_of_this_machine_will_do(host: str) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        assert Client(headers={"Host": host}).get(path).status_code == 200


@pytest.mark.parametrize(
    "outside",
    [
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "2001:4860::1"},
        {"REMOTE_ADDR": "not an address"},
        {"HTTP_X_FORWARDED_FOR": "10.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_X_REAL_IP": "10.0.0.1"},
        {"HTTP_FORWARDED": "for=10.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_outside_there_are_no_metrics(outside: dict[str, str]) -> None:
    response = Client().get("/metrics", **outside)  # type: ignore[arg-type]  # headers as keywords
    assert response.status_code == 404
    assert b"faq_" not in response.content
    assert Client().get("/healthz", **outside).status_code == 200  # type: ignore[arg-type]  # headers as keywords


def test_it_is_only_read() -> None:
    assert Client().post("/metrics").status_code == 405


def test_logins_are_counted(operator: object) -> None:
    before = scrape()
    client = Client()
    client.post("/admin/login/", {"username": "operator", "password": "wrong"})
    client.post("/admin/login/", {"username": "operator", "password": "operator"})
    after = scrape()
    for result in ("ok", "refused"):
        grown = after.total("faq_logins_total", result=result) - before.total("faq_logins_total", result=result)
        assert grown == 1


def test_what_alerts_look_at_is_there_before_it_happens() -> None:
    found = scrape().values
    for series in [
        ("faq_answers_total", (("channel", "sse"), ("rung", "generated"))),
        ("faq_fallbacks_total", (("reason", "auth"), ("stage", "generate"))),
        ("faq_breaker_transitions_total", (("dependency", "vector_store"), ("to", "open"))),
        ("faq_requests_failed_total", (("code", "server_error"),)),
    ]:
        assert series in found


def test_hostile_requests_add_no_series(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    _hostile(12)
    before = scrape().values.keys()
    number = int(os.environ.get("METRICS_HOSTILE", "300"))
    _hostile(number, first=100)
    assert sorted(scrape().values.keys() - before) == []
    if file := os.environ.get("METRICS_REPORT"):
        with Path(file).open("a") as report:
            report.write(f"- {number} hostile requests added no series\n")


def _hostile(number: int, first: int = 0) -> None:
    """Each with a path, a host, a method, a body or an id that nobody had before."""
    client = Client(raise_request_exception=False)
    for n in range(first, first + number):
        tricks: list[Callable[[], object]] = [
            lambda n=n: client.get(f"/nowhere/{n}"),  # type: ignore[misc]  # a lambda's defaults have no types
            lambda n=n: client.get(f"/entries/e-{n}/?q={n}"),  # type: ignore[misc]  # a lambda's defaults have no types
            lambda n=n: client.get("/", headers={"Host": f"h{n}.example"}),  # type: ignore[misc]  # a lambda's defaults have no types
            lambda n=n: client.generic(f"VERB{n}", "/"),  # type: ignore[misc]  # a lambda's defaults have no types
            lambda n=n: client.post("/api/chat/", {"question": f"q{n}"}, "application/json"),  # type: ignore[misc]  # a lambda's defaults have no types
            lambda n=n: client.post(f"/api/chat/{uuid4()}/feedback/", {"vote": n}, "application/json"),  # type: ignore[misc]  # a lambda's defaults have no types
        ]
        tricks[n % len(tricks)]()
