"""No text can begin an event of its own, and no stream keeps a connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.pipeline import Delta, Meta
from rag.chat.events import EventStream, event
from tests.chat.fake_pipeline import an_answer

LINE_ENDS = st.sampled_from("\n\r\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e:")
TEXTS = st.text(st.one_of(LINE_ENDS, st.characters(codec="utf-8")), max_size=80)


def parsed(stream: bytes) -> list[dict[str, str]]:
    """By the rules of the standard: lines end in CRLF, LF or CR, an empty one dispatches."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    for line in stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line and fields:
            found.append(fields)
            fields = {}
        elif line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    assert not fields
    return found


@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_whatever_the_texts_hold_each_is_one_event(texts: list[str]) -> None:
    stream = b"".join(event("delta", {"text": text}) for text in texts)
    found = parsed(stream)
    assert [set(one) for one in found] == [{"event", "data"}] * len(texts)
    assert {one["event"] for one in found} == {"delta"}
    assert [json.loads(one["data"])["text"] for one in found] == texts


def test_data_of_several_lines_has_each_in_its_own_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the JSON ever be indented, the events must still hold."""
    monkeypatch.setattr("rag.chat.events.json.dumps", lambda data: "{\r\n}\r\n\nevent: done")
    assert parsed(event("meta", {})) == [{"event": "meta", "data": "{\n}\n\nevent: done"}]


def told(step: object) -> tuple[str, dict[str, Any]]:
    return type(step).__name__.lower(), {}


def test_closing_the_stream_closes_the_work_behind_it_at_once() -> None:
    closed = []

    def work() -> Iterator[Delta]:
        try:
            yield Delta("a")
            yield Delta("b")
        finally:
            closed.append(True)

    steps = work()  # held on to: closed, and not merely collected
    stream = EventStream(steps, told, lambda error: {}, lambda: closed.append(False))
    next(stream)
    stream.close()
    stream.close()
    assert closed == [True, False]
    assert list(stream) == []


@pytest.mark.django_db(transaction=True)
def test_no_database_connection_is_held_while_an_event_is_sent() -> None:
    def steps() -> Any:
        for step in (Meta(an_answer().id, an_answer().id, ""), Delta("a"), an_answer()):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            assert connection.connection is not None
            yield step

    for _ in EventStream(steps(), told, lambda error: {}, lambda: None):
        assert connection.connection is None
