"""An editor whose database has gone: told so, with a number to quote, and never that something was saved."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from console.admin import entries

pytestmark = pytest.mark.django_db


def test_nothing_was_saved_and_it_is_worth_trying_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.create_superuser("chief", password="chief")
    client = Client(raise_request_exception=False)
    client.login(username="chief", password="chief")

    def gone(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection unexpectedly: hunter2")

    monkeypatch.setattr(entries.EntryAdmin, "get_queryset", gone)
    response = client.get("/admin/faq/entry/")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    text = response.content.decode()
    assert "Nothing was saved" in text
    assert response["X-Request-ID"] in text
    assert "hunter2" not in text
