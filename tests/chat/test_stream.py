"""Asking for a stream: its events, its cap, and who leaves early."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import Client

from rag.chat import events
from tests.chat.fake_pipeline import CONTRACT, FakePipeline, ask

STREAM = "text/event-stream"


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
