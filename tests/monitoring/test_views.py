"""The probes tell the truth, and liveness touches nothing."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from monitoring import views


def test_healthz_is_ok_without_any_database() -> None:
    """No database fixture: pytest-django would fail a query."""
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_readyz_is_ok_once_everything_is_migrated() -> None:
    response = Client().get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok", "migrations": "ok"}}


@pytest.mark.django_db
def test_readyz_refuses_while_a_migration_is_missing() -> None:
    from django.db.migrations.recorder import MigrationRecorder

    MigrationRecorder.Migration.objects.filter(app="rag").delete()
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert "to apply" in response.json()["checks"]["migrations"]


def test_readyz_refuses_without_a_database_and_names_no_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise OperationalError("connection to 10.0.0.7 failed")

    monkeypatch.setattr(views, "_pending", broken)
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "not reachable"
    assert "10.0.0.7" not in response.content.decode()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_only_read(path: str) -> None:
    assert Client().post(path).status_code == 405
