"""What every test of the door finds: a fake pipeline, an asker with a token, and the page in a browser."""

from __future__ import annotations

import pytest
from django.test import Client

from rag.answering import pipeline
from rag.chat import events
from tests.chat.fake_pipeline import URL, FakePipeline
from tests.chat.visits import entries as entries
from tests.chat.visits import page as page
from tests.chat.visits import visit as visit


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake = FakePipeline()
    monkeypatch.setattr(pipeline, "answer", fake.answer)
    monkeypatch.setattr(pipeline, "stream", fake.stream)
    return fake


@pytest.fixture(autouse=True)
def one_slot(monkeypatch: pytest.MonkeyPatch) -> events.Slots:
    """For every test afresh: one stream at a time, and none left open by another test."""
    slots = events.Slots(1)
    monkeypatch.setattr(events, "slots", slots)
    return slots


@pytest.fixture
def asker() -> Client:
    """A program with a CSRF token, as the contract asks for."""
    client = Client(enforce_csrf_checks=True)
    client.get(URL)
    client.defaults["HTTP_X_CSRFTOKEN"] = client.cookies["csrftoken"].value
    return client
