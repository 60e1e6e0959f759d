"""The catalogue is closed: what the code logs is in it, and what is in it the code logs. No line tells a question."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator

import pytest
from django.test import Client

from console.log_events import EVENTS, FLOORS, PRIVATE_FIELDS
from console.log_format import JsonLines, TextLines, WithRequestId
from rag import tracing
from rag.index import runners
from tests.conftest import Publish
from tests.servers import PROJECT

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
# These choose between sentences, or say one that was made elsewhere.
CHOOSE = {"console/login.py", "console/start/checks.py", "rag/chat/limits.py"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for floor in FLOORS:
        for path in sorted((PROJECT / floor).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LEVELS
                    and getattr(node.func.value, "id", "") == "logger"
                ):
                    yield str(path.relative_to(PROJECT)), node


def test_every_line_that_the_code_logs_is_listed() -> None:
    messages = {(path, getattr(call.args[0], "value", None)) for path, call in calls()}
    assert len(messages) > 30
    assert {path for path, message in messages if message is None} == CHOOSE
    unlisted = {message for _, message in messages if message is not None} - EVENTS.keys()
    assert not unlisted, f"give each a name in console/log_events.py: {unlisted}"


def test_every_listed_line_is_in_the_code() -> None:
    code = {
        node.value
        for floor in FLOORS
        for path in (PROJECT / floor).rglob("*.py")
        if path.name != "log_events.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert EVENTS.keys() - code == set()


def test_no_line_passes_on_a_private_field() -> None:
    named = [
        (path, key.value)
        for path, call in calls()
        for extra in call.keywords
        if extra.arg == "extra" and isinstance(extra.value, ast.Dict)
        for key in extra.value.keys
        if isinstance(key, ast.Constant) and key.value in PRIVATE_FIELDS
    ]
    assert named == []


def line(name: str, message: str, *args: object, **extra: object) -> dict[str, object]:
    record = logging.getLogger(name).makeRecord(name, logging.INFO, "f", 1, message, args, None, extra=extra)
    assert WithRequestId().filter(record)
    found: dict[str, object] = json.loads(JsonLines().format(record))
    return found


def test_a_line_names_its_event_whatever_its_arguments() -> None:
    assert line("rag.answering.trace", "fallback: %s %s", "vector", "timeout")["event"] == "fallback"
    assert line("rag.answering.trace", "never heard of")["event"] == "unlisted"
    assert line("django.request", "Not Found: %s", "/x")["event"] == "library"


@pytest.mark.parametrize("field", sorted(PRIVATE_FIELDS))
def test_a_private_field_is_blanked_by_its_class(field: str) -> None:
    assert line("rag.x", "answer given", **{field: "my bank account is empty"})[field] == "[text]"


def test_what_was_asked_is_blanked_wherever_a_line_quotes_it() -> None:
    tracing.asked.set("my bank account is empty")
    try:
        told = line("django.db", 'invalid input: "my bank account is empty"', detail="said: my bank account is empty")
        record = logging.makeLogRecord({"msg": "my bank account is empty!", "request_id": "-"})
        assert "bank" not in json.dumps(told)
        assert "[text]!" in TextLines().format(record)
    finally:
        tracing.forget()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, object]]]:
    """What a collector would get, while the test runs."""
    written: list[dict[str, object]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler = Collector()
    handler.setFormatter(JsonLines())
    handler.addFilter(WithRequestId())
    root = logging.getLogger()
    root.addHandler(handler)
    monkeypatch.setattr(root, "level", logging.INFO)
    yield written
    root.removeHandler(handler)


@pytest.mark.django_db
def test_an_answer_is_one_line_with_its_request_rung_and_times(
    published: Publish, lines: list[dict[str, object]]
) -> None:
    published("Where is the exit?", "There.")
    response = Client(headers={"X-Request-ID": "from-nginx-1"}).post(
        "/api/chat/", {"question": "Where is the exit?"}, "application/json"
    )
    assert response.json()["answered_by"] == "exact"
    (told,) = [one for one in lines if one["event"] == "answer"]
    assert told["request_id"] == "from-nginx-1"
    assert (told["level"], told["rung"], told["channel"], told["cached"]) == ("INFO", "exact", "json", False)
    assert isinstance(told["milliseconds"], dict)
    assert {"exact", "total"} <= told["milliseconds"].keys()
    assert "exit" not in json.dumps(lines)


@pytest.mark.django_db
def test_a_job_bears_the_id_of_the_request_that_asked_for_it(lines: list[dict[str, object]]) -> None:
    from rag.index import jobs
    from rag.models import Job

    job = jobs.request(Job.Kind.CLEANUP)
    runners.perform(job.pk, "from-nginx-2")
    (told,) = [one for one in lines if one["event"] == "job_ended"]
    assert (told["request_id"], told["job"], told["state"]) == ("from-nginx-2", job.pk, "succeeded")
    assert tracing.request_id.get() == tracing.NO_REQUEST


def test_the_catalogue_is_named_in_words_that_can_be_searched() -> None:
    assert all(name.isidentifier() and name == name.lower() for name in EVENTS.values())
