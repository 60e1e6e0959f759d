"""What an asker is told when a request cannot be answered: JSON under /api/, a small page elsewhere."""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string

from rag import metrics
from rag.chat.addresses import request_id

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

NO_SUCH_ANSWER = "There is no answer of this id. Send the one that it came with."
UNAVAILABLE = "The service cannot do this right now. Try again in a few seconds."
NOT_SAVED = "The database does not answer. Nothing was saved. Try again in a few seconds."
UNSURE = (
    "The database broke off before it said whether this was saved. Send the same form again in a few seconds: what is"
    " there already is not made twice."
)
FAULT = "Something went wrong on our side. It has been recorded under the request_id given here."
TITLES = {
    403: "Not from here",
    404: "Not found",
    413: "Too large",
    429: "One moment",
    500: "Our fault",
    503: "Back in a moment",
}
CSRF = (
    "The CSRF token is missing or out of date. GET /api/chat/ for the cookie and send its value back "
    "in the header X-CSRFToken, from a page of this site."
)


class Refused(Exception):
    """A request that is not answered, and why: a status and a sentence that never quotes the input."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def error_body(request: HttpRequest, refused: Refused) -> dict[str, Any]:
    return {"error": {"code": refused.code, "message": refused.message, "request_id": request_id(request)}}


def json_error(request: HttpRequest, refused: Refused) -> JsonResponse:
    count(refused)
    response = JsonResponse(error_body(request, refused), status=refused.status, headers=refused.headers)
    response["Cache-Control"] = "no-store"
    return response


def page_error(request: HttpRequest, refused: Refused) -> HttpResponse:
    """A page that needs no database and no context processor, so that it can also tell of their failure."""
    count(refused)
    context = {
        "site_name": settings.SITE_NAME,
        "refused": refused,
        "title": TITLES.get(refused.status, "That did not work"),
        "request_id": request_id(request),
        "language": settings.LANGUAGE_CODE,
    }
    page = render_to_string("chat/error.html", context)
    response = HttpResponse(page, status=refused.status, headers=refused.headers)
    response["Cache-Control"] = "no-store"
    return response


def count(refused: Refused) -> None:
    """Each once, where it becomes a response. The codes are those of this package: a handful."""
    counter = metrics.FAILURES if refused.status >= 500 else metrics.REFUSALS
    counter.labels(refused.code).inc()


def answered(view: View) -> View:
    """Every failure of a JSON view becomes the JSON error of the contract, also while DEBUG is on."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Refused as refused:
            return json_error(request, refused)
        except Exception as error:
            return json_error(request, as_refused(request, error))

    return cast(View, guarded)


def as_refused(request: HttpRequest, error: Exception) -> Refused:
    """An unforeseen failure, told without its details; those go to the log."""
    extra = {"request_id": request_id(request)}
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database did not answer: %s", type(error).__name__, extra=extra)
        return Refused(503, "unavailable", UNAVAILABLE, {"Retry-After": "5"})
    logger.error("unexpected failure in the public door", exc_info=error, extra=extra)
    return Refused(500, "server_error", FAULT)


def _told(request: HttpRequest, refused: Refused) -> HttpResponse:
    kind = json_error if request.path.startswith("/api/") else page_error
    return kind(request, refused)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For `settings.CSRF_FAILURE_VIEW`. The reason is for the log, where Django has already written it."""
    if request.path.startswith("/api/"):
        return json_error(request, Refused(403, "csrf_failed", CSRF))
    message = "This page was open for too long, or your browser sends no cookies. Reload it and try again."
    return page_error(request, Refused(403, "csrf_failed", message))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _told(request, Refused(413, "body_too_large", "What was sent is too large."))
    return _told(request, Refused(400, "bad_request", "The request could not be understood."))


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _told(request, Refused(403, "forbidden", "You may not open this."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _told(request, Refused(404, "not_found", "There is nothing at this address."))


def server_error(request: HttpRequest) -> HttpResponse:
    """An editor whose database has gone is told that nothing was saved, and that it is worth trying again."""
    error = sys.exc_info()[1]  # Django calls this while it handles it, and logs it
    if isinstance(error, OperationalError | InterfaceError):
        told = UNSURE if _while_committing(error) else NOT_SAVED
        return _told(request, Refused(503, "unavailable", told, {"Retry-After": "5"}))
    return _told(request, Refused(500, "server_error", FAULT))


def _while_committing(error: Exception) -> bool:
    """Only then may something be saved of which nobody heard."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.name == "commit" and "django/db/backends" in frame.filename for frame in frames)
