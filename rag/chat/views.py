"""The JSON half of the public door: questions, feedback, and the document that describes them."""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token

from rag import metrics
from rag.answering import pipeline, receipts
from rag.chat import events, limits, openapi, requests
from rag.chat.addresses import request_id
from rag.chat.asker import gone
from rag.chat.errors import NO_SUCH_ANSWER, Refused, answered, as_refused, count, error_body
from rag.chat.schema import (
    ChatRequest,
    ChatResponse,
    FeedbackRequest,
    FeedbackResponse,
    SourceOut,
    StreamDelta,
    StreamMeta,
    as_json,
)
from rag.quality import counting

EVENT_STREAM = "text/event-stream"
RECEIPT_PAUSES = (0.05, 0.2)  # seconds


@answered
def chat(request: HttpRequest) -> HttpResponseBase:
    """POST a question. A GET is refused, but leaves the CSRF cookie that a POST needs."""
    if request.method != "POST":
        get_token(request)
    _only(request, "POST")
    asked = requests.read(request, ChatRequest)
    limits.check_rate(request, "chat")
    if _wants_events(request) and events.slots.take():
        return _streamed(request, asked)
    # Above the cap of streams too: a plain answer is better than a refusal, and holds its thread no longer.
    answer = pipeline.answer(
        asked.question, conversation=asked.conversation, request_id=request_id(request), channel="json"
    )
    return _json(_contract(request, answer))


@answered
def feedback(request: HttpRequest, answer_id: UUID) -> HttpResponseBase:
    _only(request, "POST")
    given = requests.read(request, FeedbackRequest)
    limits.check_rate(request, "feedback")
    reason = given.reason if given.vote and given.reason else ""
    if not _voted(answer_id, given.vote or "", reason):
        raise Refused(404, "not_found", NO_SUCH_ANSWER)
    metrics.FEEDBACK.labels(given.vote or "none").inc()
    return _json(as_json(FeedbackResponse(id=answer_id, vote=given.vote)))


def _voted(answer_id: UUID, vote: str, reason: str) -> bool:
    """A program votes sooner than the receipt is written, which may be in another process."""
    for pause in RECEIPT_PAUSES if receipts.may_be_on_its_way() else ():
        if counting.voted(answer_id, vote, reason):
            return True
        time.sleep(pause)
    return counting.voted(answer_id, vote, reason)


@answered
def openapi_document(request: HttpRequest) -> HttpResponseBase:
    _only(request, "GET", "HEAD")
    response = JsonResponse(openapi.document())
    response["Cache-Control"] = "public, max-age=300"
    return response


@answered
def nothing_here(request: HttpRequest, slash: str) -> HttpResponseBase:
    """Caught here and not by handler404, which DEBUG replaces with a page."""
    raise Refused(404, "not_found", "There is nothing at this address. See /api/openapi.json.")


def _streamed(request: HttpRequest, asked: ChatRequest) -> HttpResponseBase:
    try:
        steps = pipeline.stream(
            asked.question,
            conversation=asked.conversation,
            request_id=request_id(request),
            channel="sse",
            gone=gone(request),
        )
    except BaseException:
        events.slots.give_back()
        raise
    stream = events.EventStream(steps, partial(_told, request), partial(_failed, request), events.slots.give_back)
    return events.response(stream)


def _told(request: HttpRequest, step: events.Step) -> tuple[str, dict[str, Any]]:
    if isinstance(step, pipeline.Meta):
        meta = StreamMeta(id=step.id, conversation=step.conversation, request_id=step.request_id)
        return "meta", as_json(meta)
    if isinstance(step, pipeline.Delta):
        return "delta", as_json(StreamDelta(text=step.text))
    return "done", _contract(request, step)


def _failed(request: HttpRequest, error: Exception) -> dict[str, Any]:
    refused = as_refused(request, error)
    count(refused)
    return error_body(request, refused)


def _contract(request: HttpRequest, answer: pipeline.Answer) -> dict[str, Any]:
    response = ChatResponse.of(answer)
    if request.GET.get("did_you_mean") == "1":
        response.did_you_mean = [SourceOut.of(source) for source in answer.did_you_mean]
    return as_json(response)


def _json(body: dict[str, Any]) -> JsonResponse:
    response = JsonResponse(body)
    response["Cache-Control"] = "no-store"
    return response


def _wants_events(request: HttpRequest) -> bool:
    """HTTP/1.0 has no chunks, so a stream could not be told from one that was cut."""
    preferred = request.get_preferred_type(["application/json", EVENT_STREAM])
    return preferred == EVENT_STREAM and request.META.get("SERVER_PROTOCOL") != "HTTP/1.0"


def _only(request: HttpRequest, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise Refused(405, "method_not_allowed", f"This address answers {allowed} only.", {"Allow": allowed})
