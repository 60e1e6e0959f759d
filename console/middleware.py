"""What every response carries: its request's id, and the policy of its part of the site."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponseBase

from rag import tracing
from rag.tracing import request_id

GetResponse = Callable[[HttpRequest], HttpResponseBase]
WELL_FORMED = re.compile(r"[A-Za-z0-9-]{1,64}")


class RequestId:
    """`request.request_id`, the X-Request-ID header and the log's: the caller's where it is well formed."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        asked = request.headers.get("X-Request-ID", "")
        chosen = asked if WELL_FORMED.fullmatch(asked) else uuid.uuid4().hex
        request.request_id = chosen  # type: ignore[attr-defined]  # ours, for log lines and pages
        request_id.set(chosen)
        response = self.get_response(request)
        response["X-Request-ID"] = chosen
        return response


def _forget(**_: object) -> None:
    """Only once the response was sent: a stream still logs after the middleware returned."""
    tracing.forget()


request_finished.connect(_forget, dispatch_uid="console.request_id")


class ConsolePolicy:
    """The console's own Content-Security-Policy: Unfold's Alpine needs eval, its colours an inline style."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path_info.startswith("/admin/"):
            response._csp_config = settings.CONSOLE_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]  # what django-csp reads
        return response


class QueuesForOperators:
    """django-rq has pages of its own, where whoever is of the staff may clear a queue. Where RQ_SHOW_ADMIN_LINK
    switches them on, they are for operators."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/admin/django_rq/") and not request.user.has_perm("rag.change_job"):
            raise PermissionDenied
        return self.get_response(request)
