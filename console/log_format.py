"""How log lines look: text or JSON, each with its request's id, secrets blanked."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from console import log_events
from console.secrecy import blank, blanked
from rag.tracing import asked, request_id

TEXT = "[text]"
# Shorter questions are words that any line may hold.
SHORTEST_QUESTION = 8


class WithRequestId(logging.Filter):
    """Every line can be found by the id that an asker or nginx names."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = request_id.get()
        return True


class TextLines(logging.Formatter):
    """For a person at a terminal."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} [{request_id}] {message}", datefmt="%H:%M:%S", style="{")

    def format(self, record: logging.LogRecord) -> str:
        return without_question(blank(super().format(record)))


def without_question(line: str) -> str:
    """A question is its asker's own: the receipt holds it, for those who may read it, and no log does."""
    question = asked.get()
    return line.replace(question, TEXT) if len(question) >= SHORTEST_QUESTION else line


class JsonLines(JsonFormatter):
    """For a collector: one object a line."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{request_id}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["event"] = log_events.name_of(record)
        super().add_fields(log_data, record, message_dict)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = blanked(super().process_log_record(log_data))
        return {key: _for_the_log(key, value) for key, value in result.items()}


def _for_the_log(key: str, value: Any) -> Any:
    """Text of askers and editors by the class of its field; and wherever a message quotes what was asked."""
    if key in log_events.PRIVATE_FIELDS:
        return TEXT
    return without_question(value) if isinstance(value, str) else value
