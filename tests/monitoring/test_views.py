"""The probes tell the truth, and liveness touches nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from monitoring import health


def test_healthz_is_ok_without_any_database() -> None:
    """No database fixture: pytest-django would fail a query."""
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_readyz_is_ready_once_everything_is_migrated() -> None:
    response = Client().get("/readyz")
    assert response.status_code == 200
    found = response.json()
    assert (found["checks"]["database"], found["checks"]["migrations"]) == ("ok", "ok")


@pytest.mark.django_db(transaction=True)
def test_readyz_names_what_else_is_out_and_stays_ready() -> None:
    response = Client().get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["workers"] == "down"  # no thread does jobs in a test


@pytest.mark.django_db(transaction=True)
def test_readyz_refuses_while_a_migration_is_missing() -> None:
    last = MigrationRecorder.Migration.objects.filter(app="rag").latest("pk")
    last.delete()
    try:
        response = Client().get("/readyz")
    finally:
        MigrationRecorder.Migration.objects.create(app=last.app, name=last.name, applied=last.applied)
    assert response.status_code == 503
    assert (response.json()["status"], response.json()["checks"]["migrations"]) == ("failed", "down")


@pytest.mark.django_db
def test_readyz_refuses_without_a_database_and_names_no_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise OperationalError("connection to 10.0.0.7 failed")

    changed = [replace(check, probe=broken) if check.name == "database" else check for check in health.CHECKS]
    monkeypatch.setattr(health, "CHECKS", tuple(changed))
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "down"
    assert "10.0.0.7" not in response.content.decode()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_only_read(path: str) -> None:
    assert Client().post(path).status_code == 405
