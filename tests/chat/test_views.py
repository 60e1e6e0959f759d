"""The JSON half of the door: the contract, the stream, CSRF, feedback."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from django.db import OperationalError
from django.http import StreamingHttpResponse
from django.test import Client

from rag.answering.pipeline import Source
from rag.chat import events
from rag.models import Receipt
from tests.chat.conftest import URL, FakePipeline, an_answer

QUESTION = {"question": "How do I import?"}
STREAM = "text/event-stream"
CONTRACT = {
    "id",
    "answer",
    "answered_by",
    "degraded",
    "cached",
    "confidence",
    "sources",
    "conversation",
    "request_id",
}


def ask(asker: Client, body: dict[str, Any] = QUESTION, query: str = "", **headers: Any) -> Any:
    return asker.post(URL + query, body, content_type="application/json", **headers)


def read_events(response: Any) -> list[tuple[str, dict[str, Any]]]:
    """As a browser reads them: blocks apart by an empty line, `data` lines joined."""
    found = []
    text = b"".join(response.streaming_content).decode()
    assert text.endswith("\n\n")
    for block in text.split("\n\n")[:-1]:
        fields = [line.partition(": ") for line in block.split("\n")]
        assert {name for name, _, _ in fields} == {"event", "data"}
        data = "\n".join(value for name, _, value in fields if name == "data")
        found.append((next(value for name, _, value in fields if name == "event"), json.loads(data)))
    return found


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


# The stream


def test_a_stream_is_meta_then_deltas_then_the_answer_of_the_contract(fake: FakePipeline, asker: Client) -> None:
    fake.pieces = ["Open the ", "console…\n\nevent: done\ndata: {}\n\n"]
    response = ask(asker, HTTP_ACCEPT=STREAM)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response["X-Accel-Buffering"] == "no"
    assert response["Cache-Control"] == "no-cache"
    names, data = zip(*read_events(response), strict=True)
    assert names == ("meta", "delta", "delta", "done")
    assert data[0] == {name: data[-1][name] for name in ("id", "conversation", "request_id")}
    assert [one["text"] for one in data[1:3]] == fake.pieces
    assert set(data[-1]) == CONTRACT
    assert data[-1]["answer"] == fake.given.answer
    assert fake.asked[0]["channel"] == "sse"


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", False),
        (STREAM, True),
        (f"{STREAM}, application/json;q=0.9", True),
        (f"application/json, {STREAM};q=0.5", False),
        (f"{STREAM};q=0", False),
        ("junk;;;=", False),
        ("a" * 5000, False),
    ],
)
def test_only_who_prefers_a_stream_gets_one(fake: FakePipeline, asker: Client, accept: str, streams: bool) -> None:
    response = ask(asker, HTTP_ACCEPT=accept)
    assert response.status_code == 200
    assert response["Content-Type"].startswith(STREAM if streams else "application/json")


def test_http_1_0_gets_json(fake: FakePipeline, asker: Client) -> None:
    response = ask(asker, HTTP_ACCEPT=STREAM, SERVER_PROTOCOL="HTTP/1.0")
    assert set(response.json()) == CONTRACT


@pytest.mark.parametrize("hostile", ["1", "9" * 9999, "\x00", "'; DROP TABLE", "é"])
def test_last_event_id_changes_nothing(fake: FakePipeline, asker: Client, hostile: str) -> None:
    response = ask(asker, HTTP_ACCEPT=STREAM, HTTP_LAST_EVENT_ID=hostile)
    assert read_events(response)[0][0] == "meta"


def test_above_the_cap_the_answer_comes_as_json(fake: FakePipeline, asker: Client, one_slot: events.Slots) -> None:
    first = ask(asker, HTTP_ACCEPT=STREAM)
    second = ask(asker, HTTP_ACCEPT=STREAM)
    assert isinstance(first, StreamingHttpResponse)
    assert set(second.json()) == CONTRACT
    read_events(first)
    assert isinstance(ask(asker, HTTP_ACCEPT=STREAM), StreamingHttpResponse)


def test_an_asker_who_leaves_ends_the_work_and_gives_the_slot_back(
    fake: FakePipeline, asker: Client, one_slot: events.Slots
) -> None:
    response = ask(asker, HTTP_ACCEPT=STREAM)
    assert next(iter(response.streaming_content)).startswith(b"event: meta\n")
    assert fake.closed == 0
    response.close()
    assert fake.closed == 1
    assert one_slot.take()


def test_an_asker_who_leaves_before_the_first_event_gives_the_slot_back(
    fake: FakePipeline, asker: Client, one_slot: events.Slots
) -> None:
    ask(asker, HTTP_ACCEPT=STREAM).close()
    assert one_slot.take()


def test_a_stream_that_breaks_off_says_so_and_gives_the_slot_back(
    fake: FakePipeline, asker: Client, one_slot: events.Slots
) -> None:
    fake.fails = RuntimeError("the secret is 4711")
    names, data = zip(*read_events(ask(asker, HTTP_ACCEPT=STREAM)), strict=True)
    assert names == ("meta", "delta", "error")
    assert data[-1]["error"]["code"] == "server_error"
    assert "4711" not in json.dumps(data)
    assert one_slot.take()


# CSRF


def test_a_get_gives_the_cookie_that_a_post_needs(fake: FakePipeline) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.get(URL).status_code == 405
    token = client.cookies["csrftoken"].value
    assert ask(client, HTTP_X_CSRFTOKEN=token).status_code == 200


@pytest.mark.parametrize("path", [URL, f"/api/chat/{uuid.uuid4()}/feedback/"])
@pytest.mark.parametrize("token", [None, "", "x", "a" * 32, "a" * 64, "é"])
def test_a_post_without_the_right_token_is_403_in_json(fake: FakePipeline, path: str, token: str | None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get(URL)
    headers = {} if token is None else {"HTTP_X_CSRFTOKEN": token}
    response = client.post(path, QUESTION, content_type="application/json", **headers)  # type: ignore[arg-type]
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "csrf_failed"
    assert fake.asked == []


def test_a_foreign_origin_is_403_even_with_the_token(fake: FakePipeline, asker: Client) -> None:
    for origin in ("https://evil.example", "null"):
        assert ask(asker, HTTP_ORIGIN=origin).status_code == 403
    assert ask(asker, HTTP_ORIGIN="http://testserver").status_code == 200


def test_a_form_of_any_size_with_a_foreign_type_is_not_read(fake: FakePipeline) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(URL, {"question": "x" * 100_000})
    assert response.status_code in {403, 413, 415}


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


# Feedback


@pytest.fixture
def receipt(db: None) -> Receipt:
    return Receipt.objects.create(
        conversation=uuid.uuid4(), question="q", answer="a", answered_by="exact", confidence=1.0
    )


def vote(asker: Client, answer_id: object, body: Any) -> Any:
    return asker.post(f"/api/chat/{answer_id}/feedback/", body, content_type="application/json")


def test_a_vote_with_its_reason_is_kept_and_can_be_taken_back(asker: Client, receipt: Receipt) -> None:
    response = vote(asker, receipt.pk, {"vote": "down", "reason": " out of\u202e date "})
    assert response.json() == {"id": str(receipt.pk), "vote": "down"}
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("down", "out of date")
    assert vote(asker, receipt.pk, {"vote": None}).json() == {"id": str(receipt.pk), "vote": None}
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("", "")


def test_a_vote_on_an_unknown_answer_is_404(asker: Client, receipt: Receipt) -> None:
    response = vote(asker, uuid.uuid4(), {"vote": "up"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_vote"),
        ({"vote": "sideways"}, "invalid_vote"),
        ({"vote": 1}, "invalid_vote"),
        ({"vote": ["up"]}, "invalid_vote"),
        ({"vote": "up", "reason": 5}, "invalid_reason"),
        ({"vote": "up", "reason": "x" * 501}, "reason_too_long"),
        ({"vote": "up", "reason": "a\x00"}, "text_unstorable"),
    ],
)
def test_a_vote_that_is_none_is_refused_and_changes_nothing(
    asker: Client, receipt: Receipt, body: dict[str, Any], code: str
) -> None:
    response = vote(asker, receipt.pk, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("", "")


def test_feedback_by_another_method_is_405(asker: Client) -> None:
    response = asker.get(f"/api/chat/{uuid.uuid4()}/feedback/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
