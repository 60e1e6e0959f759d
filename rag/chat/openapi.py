"""The OpenAPI 3.1 document of the public door, made from the same types that the views use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from pydantic.json_schema import models_json_schema

from rag.chat.errors import CSRF, FAULT, NO_SUCH_ANSWER, UNAVAILABLE
from rag.chat.limits import BODY_BYTES, TOO_LARGE
from rag.chat.requests import NOT_THIS_TYPE
from rag.chat.schema import (
    BLANK,
    ChatRequest,
    ChatResponse,
    ErrorResponse,
    FeedbackRequest,
    FeedbackResponse,
    StreamDelta,
    StreamMeta,
)

MODELS = (
    ChatRequest,
    ChatResponse,
    ErrorResponse,
    FeedbackRequest,
    FeedbackResponse,
    StreamDelta,
    StreamMeta,
)
REQUEST_ID = "9f1c2ab85d6e4a0f8c7b3e1d2a4f6b80"
ANSWER_ID = "6a4a0c52-7a53-4f0c-9d5a-0c2f3ab1d9e7"
CONVERSATION = "b0f4e9f2-31a8-4be0-8f0e-5d1c7b6a9e21"
EXAMPLE_QUESTION = {"question": "How do I import my FAQ?"}
EXAMPLE_VOTE = {"vote": "down", "reason": "It is out of date."}
EXAMPLE_ANSWER = {
    "id": ANSWER_ID,
    "answer": "Open the console, choose Entries and then Import.",
    "answered_by": "verbatim",
    "degraded": [],
    "cached": False,
    "confidence": 0.91,
    "sources": [
        {
            "id": 12,
            "external_id": "import-csv",
            "question": "How can I import entries from a CSV file?",
            "score": 0.88,
            "url": "/entries/import-csv/",
        }
    ],
    "conversation": CONVERSATION,
    "request_id": REQUEST_ID,
}
EXAMPLE_STREAM = (
    f'event: meta\ndata: {{"id": "{ANSWER_ID}", "conversation": "{CONVERSATION}",'
    f' "request_id": "{REQUEST_ID}"}}\n\n'
    'event: delta\ndata: {"text": "Open the console, "}\n\n'
    "event: done\ndata: {the same object as in application/json}\n\n"
)
CHAT_TELLS = (
    "Always an answer, whatever is down behind it. With `Accept: text/event-stream` it comes as events:"
    " `meta` (StreamMeta), `delta` (StreamDelta, zero or more) and at last `done` (ChatResponse), whose text"
    " replaces the deltas. `error` (ErrorResponse) stands in place of `done` when the work broke off: ask"
    " again. When the server has no stream to spare, and over HTTP/1.0, the answer comes as JSON all the"
    " same: look at its Content-Type. Events carry no ids, and `Last-Event-ID` is ignored."
)
CSRF_TELLS = (
    "The value of the cookie `csrftoken`, which a GET of `/` or of `/api/chat/` gives. Send cookie and header together."
)
# status: what it means, and code and message as an example.
ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("The body breaks a rule; `message` names it.", "question_blank", f"The question {BLANK}"),
    403: ("No CSRF token, or a wrong one.", "csrf_failed", CSRF),
    404: ("No answer has this id.", "not_found", NO_SUCH_ANSWER),
    405: (
        "Another method. A GET gives the CSRF cookie.",
        "method_not_allowed",
        "Send a POST.",
    ),
    413: (f"The body is larger than {BODY_BYTES:,} bytes.", "body_too_large", TOO_LARGE),
    415: ("Not `application/json` in UTF-8.", "unsupported_media_type", NOT_THIS_TYPE),
    429: ("Too many from this address.", "rate_limited", "Too many questions. Try again in 12 s."),
    500: ("A fault on our side.", "server_error", FAULT),
    503: ("Not possible right now.", "unavailable", UNAVAILABLE),
}
HEADERS = {
    405: ("Allow", "POST"),
    429: ("Retry-After", "Seconds until the next question may be asked."),
    503: ("Retry-After", "Seconds until it is worth trying again."),
}


def document() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{settings.SITE_NAME}: questions and answers", "version": "1"},
        "paths": {
            "/api/chat/": {"post": _chat()},
            "/api/chat/{id}/feedback/": {"post": _feedback()},
            "/api/openapi.json": {"get": _itself()},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRFToken", "description": CSRF_TELLS}
            },
        },
    }


def _chat() -> dict[str, Any]:
    done = {
        "application/json": _content("ChatResponse", EXAMPLE_ANSWER),
        "text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE_STREAM},
    }
    return {
        "operationId": "ask",
        "summary": "Ask a question",
        "description": CHAT_TELLS,
        "security": [{"csrf": []}],
        "parameters": [
            {
                "name": "did_you_mean",
                "in": "query",
                "description": "`1` adds `did_you_mean` to the answer.",
                "schema": {"enum": ["1"]},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": _content("ChatRequest", EXAMPLE_QUESTION)},
        },
        "responses": {
            "200": {"description": "The answer.", "content": done},
            **_errors(400, 403, 405, 413, 415, 429, 500, 503),
        },
    }


def _feedback() -> dict[str, Any]:
    done = _content("FeedbackResponse", {"id": ANSWER_ID, "vote": "up"})
    return {
        "operationId": "vote",
        "summary": "Say whether an answer helped",
        "security": [{"csrf": []}],
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": _content("FeedbackRequest", {"vote": "down", "reason": "It is out of date."})
            },
        },
        "responses": {
            "200": {"description": "The vote now kept.", "content": {"application/json": done}},
            **_errors(400, 403, 404, 405, 413, 415, 429, 500, 503),
        },
    }


def _itself() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "describe",
        "summary": "This document",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": content}, **_errors(405)},
    }


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _error(status) for status in statuses}


def _error(status: int) -> dict[str, Any]:
    meaning, code, message = ERRORS[status]
    example = {"error": {"code": code, "message": message, "request_id": REQUEST_ID}}
    told: dict[str, Any] = {
        "description": meaning,
        "content": {"application/json": _content("ErrorResponse", example)},
    }
    if status in HEADERS:
        name, description = HEADERS[status]
        told["headers"] = {name: {"description": description, "schema": {"type": "string"}}}
    return told


def _content(model: str, example: object) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{model}"}, "example": example}
