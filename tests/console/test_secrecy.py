"""No secret leaves the process in a log line or on an error page."""

from __future__ import annotations

import base64
import html
import json
import logging
import sys
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from console import environment
from console.environment import load
from console.log_format import JsonLines, TextLines, WithRequestId
from console.secrecy import BLANK, blank, secrets
from rag.tracing import request_id

PASSWORD = 'pa ss/wo"rd%<é>'
ENVIRON = {
    "SECRET_KEY": "the-key-that-signs-0123456789",
    "DATABASE_URL": f"postgresql://steadfast:{quote(PASSWORD, safe='')}@db:5432/steadfast",
    "REDIS_URL": "redis://:redis-passw0rd@redis:6379/0",
    "GEMINI_API_KEY": "AIza-gemini-key",
    "QDRANT_API_KEY": "qdrant-key",
}
SECRETS = (PASSWORD, "the-key-that-signs-0123456789", "redis-passw0rd", "AIza-gemini-key", "qdrant-key")


@pytest.fixture(autouse=True)
def known_secrets() -> Iterator[None]:
    before = environment.current()
    environment.use(load(ENVIRON))
    yield
    environment.use(before)


def written(secret: str) -> list[str]:
    """The ways in which a secret gets into a text."""
    plain = [secret, quote(secret), quote(secret, safe=""), quote(secret, safe="").lower(), quote_plus(secret)]
    plain += [repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)]
    return [*plain, *map(html.escape, plain)]


def line(formatter: logging.Formatter, message: str, *args: object, **extra: object) -> str:
    """One log line, as the handler of the settings would write it."""
    record = logging.getLogger("test").makeRecord("test", logging.ERROR, "f", 1, message, args, None, extra=extra)
    WithRequestId().filter(record)
    return formatter.format(record)


def failed() -> logging.LogRecord:
    """A record with an exception that quotes a secret."""
    try:
        raise ConnectionError(f"could not log in with {PASSWORD}")
    except ConnectionError:
        record = logging.getLogger("test").makeRecord("test", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    WithRequestId().filter(record)
    return record


def test_the_secrets_are_those_of_the_environment_and_those_within_its_addresses() -> None:
    assert secrets(load(ENVIRON)) == {*SECRETS, quote(PASSWORD, safe="")}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_blanked_however_it_is_written(secret: str) -> None:
    for form in written(secret):
        assert (
            blank(f"before {form} after").replace('"', "").replace("'", "").replace("&quot;", "").replace("&#x27;", "")
            == f"before {BLANK} after"
        )


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "u:", "us:", "user:"])
@pytest.mark.parametrize("after", ["", "@", "@h", "@host"])
def test_in_base64_too_whatever_stands_beside_it(secret: str, before: str, after: str) -> None:
    for code in (base64.b64encode, base64.urlsafe_b64encode):
        coded = code(f"{before}{secret}{after}".encode()).decode()
        told = blank(f"Authorization: Basic {coded}")
        assert BLANK in told
        left = told.replace(BLANK, "").removeprefix("Authorization: Basic ")
        # The signs that stand half for it and half for what is beside it tell no character.
        assert len(left) <= len(code(f"{before}{after}".encode())) + 8


def test_an_address_stays_readable_without_its_password() -> None:
    assert blank("redis://:redis-passw0rd@redis:6379/0 refused") == f"redis://:{BLANK}@redis:6379/0 refused"


def test_a_text_without_secrets_stays_as_it_is() -> None:
    assert blank("steadfast at db:5432") == "steadfast at db:5432"
    environment.use(load({}))
    assert blank(f"anything {PASSWORD}") == f"anything {PASSWORD}"


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=4).filter(lambda text: text.strip()))
def test_property_17_no_password_is_in_any_line(password: str) -> None:
    """Feature: production-deployment, Property 17: Secret Management"""
    environment.use(load({"DB_NAME": "n", "DB_PASSWORD": password}))
    for formatter in (TextLines(), JsonLines()):
        told = line(formatter, "~%s~%r", password, password, other=[password], more={"a": {"b": password}})
        values = json.loads(told) if told.startswith("{") else {"message": told}
        if isinstance(formatter, JsonLines):
            assert values["message"].count(BLANK) >= 2 or password in BLANK
            assert values["other"] == [blank(password)]
            assert values["more"] == {"a": {"b": blank(password)}}
        assert f"~{password}~" not in values["message"]


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_the_text_of_an_exception_is_blanked(formatter: logging.Formatter) -> None:
    told = formatter.format(failed())
    assert "ConnectionError" in told
    assert "could not log in with" in told
    assert not [form for form in written(PASSWORD) if form in told]


def test_a_json_line_is_one_object_with_what_a_collector_needs() -> None:
    told = line(JsonLines(), "answered %s", "it", rung="exact", took=1.5)
    assert "\n" not in told
    values = json.loads(told)
    assert values.pop("time").endswith("+00:00")
    assert values == {
        "level": "ERROR",
        "event": "library",
        "logger": "test",
        "request_id": "-",
        "message": "answered it",
        "rung": "exact",
        "took": 1.5,
    }


def test_a_json_line_survives_what_json_cannot_hold() -> None:
    values = json.loads(line(JsonLines(), "odd", error=ValueError("qdrant-key"), raw=b"qdrant-key", one={1, 2}))
    assert values["error"] == BLANK
    assert values["one"] in ([1, 2], [2, 1])
    assert "qdrant-key" not in str(values)


def test_a_line_bears_the_request_that_it_belongs_to() -> None:
    token = request_id.set("abc-123")
    try:
        assert "[abc-123]" in line(TextLines(), "hello")
        assert json.loads(line(JsonLines(), "hello"))["request_id"] == "abc-123"
        assert json.loads(line(JsonLines(), "hello", request_id="told"))["request_id"] == "told"
    finally:
        request_id.reset(token)


@override_settings(
    DEBUG=True,
    REDIS_URL=ENVIRON["REDIS_URL"],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache", "LOCATION": ENVIRON["REDIS_URL"]}},
    GEMINI_API_KEY=ENVIRON["GEMINI_API_KEY"],
    QDRANT_API_KEY=ENVIRON["QDRANT_API_KEY"],
    SOMETHING={"dsn": f"password={PASSWORD}"},
)
@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_the_page_of_an_error_shows_no_secret(accept: str) -> None:
    from django.views.debug import technical_500_response

    request = RequestFactory().get("/", headers={"Accept": accept})
    request.META |= ENVIRON  # as the development server does
    conn_params = {"password": PASSWORD, "key": "the-key-that-signs-0123456789"}
    try:
        raise ConnectionError(f"could not log in with {conn_params['password']}")
    except ConnectionError:
        page = technical_500_response(request, *sys.exc_info()).content.decode()
    assert "conn_params" in page or accept == "text/plain"
    assert "could not log in with" in page
    assert "REDIS_URL" in page
    assert not [form for secret in SECRETS for form in written(secret) if form in page]
