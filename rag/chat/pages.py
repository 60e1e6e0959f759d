"""The half of the public door that people look at: the chat page and the entries' own pages."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Min
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from faq.models import Entry
from rag.answering import pipeline
from rag.chat import limits, presentation, requests
from rag.chat.addresses import request_id
from rag.chat.errors import Refused, as_refused, count, page_error
from rag.chat.schema import QUESTION_LENGTH, REASON_LENGTH

EXAMPLES = 6
EXAMPLE_LENGTH = 90


@ensure_csrf_cookie
def home(request: HttpRequest) -> HttpResponse:
    """The chat page. A POST answers the first question where no script runs."""
    if request.method not in {"GET", "HEAD", "POST"}:
        message = "This page can only be read or asked."
        return page_error(request, Refused(405, "method_not_allowed", message, {"Allow": "GET, POST"}))
    try:
        context = _answered(request) if request.method == "POST" else {}
        status = 200
        headers: dict[str, str] = {}
    except Refused as refused:
        count(refused)
        context = {"refused": refused, "question": request.POST.get("question", "")[: 2 * QUESTION_LENGTH]}
        status, headers = refused.status, refused.headers
    response = render(request, "chat/chat.html", _page() | context, status=status)
    for name, value in headers.items():
        response[name] = value
    # It holds this browser's CSRF token.
    patch_cache_control(response, private=True, no_cache=True)
    return response


@require_safe
def entry(request: HttpRequest, external_id: str) -> HttpResponse:
    """What an answer's source leads to."""
    found = Entry.objects.published().select_related("category").filter(external_id=external_id).first()
    if found is None:
        raise Http404
    context = _site() | {"entry": found, "text": presentation.linked(found.answer)}
    return render(request, "chat/entry.html", context)


def _answered(request: HttpRequest) -> dict[str, Any]:
    asked = requests.read_form(request)
    limits.check_rate(request, "chat")
    try:
        answer = pipeline.answer(
            asked.question, conversation=asked.conversation, request_id=request_id(request), channel="page"
        )
    except Exception as error:
        raise as_refused(request, error) from error
    shown = presentation.Shown.of(answer)
    return {"asked": asked.question, "shown": shown, "conversation": answer.conversation}


def _page() -> dict[str, Any]:
    return _site() | {
        "examples": _examples(),
        "question_length": QUESTION_LENGTH,
        "reason_length": REASON_LENGTH,
        "wordings": json.dumps(
            {
                "bylines": presentation.BYLINES,
                "missing": presentation.MISSING,
                "missingElse": presentation.MISSING_ELSE,
                "sourcesShown": presentation.SOURCES_SHOWN,
                "choicesShown": presentation.CHOICES_SHOWN,
            }
        ),
    }


def _site() -> dict[str, Any]:
    return {
        "site_name": settings.SITE_NAME,
        "contact": settings.CONTACT,
        "contact_link": presentation.contact_link(settings.CONTACT),
        "language": settings.LANGUAGE_CODE,
    }


def _examples() -> list[Entry]:
    """The first short question of each of the first categories; none when the database does not answer."""
    published = Entry.objects.published()
    short = published.annotate(length=Length("question")).filter(length__lte=EXAMPLE_LENGTH)
    first = short.order_by().values("category").annotate(first=Min("pk")).values("first")
    try:
        chosen = published.filter(pk__in=first).select_related("category")
        return list(chosen.order_by("category__position", "category__name")[:EXAMPLES])
    except DatabaseError:
        return []
