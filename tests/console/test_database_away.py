"""An editor whose database has gone: told so, with a number to quote, and never that something was saved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from pytest_django import Settings

from console.admin import entries
from faq.models import Category, Entry


@pytest.mark.django_db
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


@pytest.fixture
def reply_is_lost(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The COMMIT that writes entries is done, and its reply never comes; once. True where that has happened."""
    happened: list[bool] = []
    committed = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]  # not public

    def commit(self: BaseDatabaseWrapper) -> None:
        committed(self)
        if not happened and Entry.objects.exists():
            happened.append(True)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit)
    return happened


@pytest.fixture
def chief(transactional_db: None) -> Client:
    User.objects.create_superuser("chief", password="chief")
    client = Client(raise_request_exception=False)
    client.login(username="chief", password="chief")
    return client


@pytest.mark.fault(32)
def test_an_entry_whose_commit_went_unheard_is_not_made_twice(chief: Client, request: pytest.FixtureRequest) -> None:
    """The form brings the entry's external ID with it: sent again, it is the same entry."""
    form = chief.get("/admin/faq/entry/add/").context["adminform"].form
    category = Category.objects.create(name="Visiting").pk
    fields = {"question": "When?", "answer": "At nine.", "category": category, "language": "en", "status": "draft"}
    fields |= {"external_id": form["external_id"].value(), "variants": "", "tags": "", "review_date": ""}
    happened = request.getfixturevalue("reply_is_lost")
    unsure = chief.post("/admin/faq/entry/add/", fields)
    assert happened
    assert unsure.status_code == 503
    assert "before it said whether this was saved" in unsure.content.decode()
    assert "Nothing was saved" not in unsure.content.decode()
    again = chief.post("/admin/faq/entry/add/", fields)
    assert again.status_code == 200
    assert "Entry with this External ID already exists" in again.content.decode()
    assert Entry.objects.count() == 1


@pytest.mark.fault(32)
def test_an_import_whose_commit_went_unheard_is_not_done_twice(
    chief: Client, request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    file = SimpleUploadedFile("a.csv", b"category,question,answer\nVisiting,When?,At nine.\n")
    preview = chief.post("/admin/faq/entry/import/", {"file": file}).content.decode()
    token = re.search(r'name="token" value="([^"]+)"', preview)
    assert token
    happened = request.getfixturevalue("reply_is_lost")
    confirmed = {"token": token[1], "confirm": "1"}
    assert chief.post("/admin/faq/entry/process_import/", confirmed).status_code == 503
    assert happened
    again = chief.post("/admin/faq/entry/process_import/", confirmed, follow=True)
    assert "confirmed already" in again.content.decode()
    assert Entry.objects.count() == 1
