"""What every response carries."""

from __future__ import annotations

import re

import pytest
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from console.middleware import RequestId
from console.settings import base
from rag.tracing import request_id


def answer(**headers: str) -> tuple[HttpRequest, HttpResponse, str]:
    """The request as the view saw it, the response, and the id that the view's log lines bore."""
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request_id.get())
        return HttpResponse()

    request = RequestFactory().get("/", headers=headers)
    response = RequestId(view)(request)
    assert isinstance(response, HttpResponse)
    return request, response, seen[0]


@pytest.mark.parametrize("asked", ["a", "0" * 64, "2f1c9d0e-7a3b-4f1e-9d53-1b1f8ad5f0c2", "ABC-123"])
def test_a_well_formed_id_of_the_caller_is_kept(asked: str) -> None:
    request, response, logged = answer(X_Request_ID=asked)
    assert request.request_id == response["X-Request-ID"] == logged == asked  # type: ignore[attr-defined]  # as the middleware does


@pytest.mark.parametrize("asked", ["", "0" * 65, "a b", "a_b", "a\nb", "a\n", "<script>", "é", "a,b"])
def test_any_other_id_is_replaced(asked: str) -> None:
    request, response, logged = answer(X_Request_ID=asked)
    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])
    assert request.request_id == response["X-Request-ID"] == logged  # type: ignore[attr-defined]  # as the middleware does


def test_two_requests_have_two_ids() -> None:
    assert answer()[1]["X-Request-ID"] != answer()[1]["X-Request-ID"]


@pytest.mark.django_db  # Django looks after its connections at the end of a request
def test_the_id_is_forgotten_once_the_response_was_sent() -> None:
    answer(X_Request_ID="abc")
    assert request_id.get() == "abc", "a stream still logs after the middleware returned"
    request_finished.send(sender=None)
    assert request_id.get() == "-"


def test_the_id_comes_first_so_that_refusals_bear_one_too() -> None:
    assert base.MIDDLEWARE[0] == "console.middleware.RequestId"
