"""Asking by JSON: the contract, and what is told when something fails."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from rag.answering.pipeline import Source
from tests.chat.fake_pipeline import CONTRACT, QUESTION, FakePipeline, an_answer, ask


def test_an_answer_has_exactly_the_keys_of_the_contract(fake: FakePipeline, asker: Client) -> None:
    response = ask(asker)
    body = response.json()
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert set(body) == CONTRACT
    assert body["id"] == str(fake.given.id)
    assert body["answer"] == fake.given.answer
    assert body["sources"] == [
        {
            "id": 7,
            "external_id": "import-csv",
            "question": "How do I import a CSV file?",
            "score": 0.87,
            "url": "/entries/import-csv/",
        }
    ]


def test_the_pipeline_is_told_conversation_channel_and_request(fake: FakePipeline, asker: Client) -> None:
    conversation = str(uuid.uuid4())
    response = ask(asker, QUESTION | {"conversation": conversation})
    assert response.json()["conversation"] == conversation
    assert fake.asked[0]["channel"] == "json"
    assert fake.asked[0]["request_id"] == response["X-Request-ID"] == response.json()["request_id"]


@pytest.mark.parametrize("external_id", ["a b", "a/b/c", "é?#%", "..", "<script>", "a\nb", "x" * 64])
def test_every_external_id_has_an_address(fake: FakePipeline, asker: Client, external_id: str) -> None:
    fake.given = an_answer(sources=[Source(1, external_id, "q", 0.5)])
    url = ask(asker).json()["sources"][0]["url"]
    assert url.startswith("/entries/")
    assert re.fullmatch(r"[A-Za-z0-9/%.~!$&'()*+,;=:@_-]+", url)


def test_other_questions_come_only_when_asked_for(fake: FakePipeline, asker: Client) -> None:
    fake.given = an_answer(did_you_mean=[Source(9, "export", "How do I export?", 0.6)])
    assert set(ask(asker).json()) == CONTRACT
    body = ask(asker, query="?did_you_mean=1").json()
    assert [source["url"] for source in body["did_you_mean"]] == ["/entries/export/"]


def test_the_address_without_its_slash_answers_too(fake: FakePipeline, asker: Client) -> None:
    assert asker.post("/api/chat", QUESTION, content_type="application/json").status_code == 200


# Failures


def test_a_database_that_does_not_answer_is_503_and_says_when_to_come_back(fake: FakePipeline, asker: Client) -> None:
    fake.fails = OperationalError("could not connect to 10.0.0.7, password secret")
    response = ask(asker)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response.json()["error"]["code"] == "unavailable"
    assert "10.0.0.7" not in response.content.decode()


def test_an_unforeseen_failure_is_500_without_its_details(
    fake: FakePipeline, asker: Client, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fails = RuntimeError("the secret is 4711")
    response = ask(asker)
    assert response.status_code == 500
    assert "4711" not in response.content.decode()
    assert response.json()["error"]["request_id"] == response["X-Request-ID"]
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/chat/x/feedback/", "/api/../etc/passwd", "/api/%00"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_address_under_api_is_404_in_json(path: str, debug: bool, settings: Any) -> None:
    settings.DEBUG = debug
    response = Client().get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
