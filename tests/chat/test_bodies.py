"""Every bad body is told what is wrong with it, and none of them ends in an error of ours."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from rag.chat.errors import Refused
from rag.chat.limits import BODY_BYTES
from rag.chat.requests import read
from rag.chat.schema import ChatRequest
from tests.chat.fake_pipeline import URL, FakePipeline

NASTY = Path(settings.BASE_DIR).parent / "shared" / "data" / "nasty"
MARK = "quetzalcoatl"


def send(asker: Client, body: bytes | str, **headers: Any) -> Any:
    # Django's client forgets the content type of an empty body.
    return asker.post(URL, body, content_type="application/json", CONTENT_TYPE="application/json", **headers)


def error(response: Any) -> dict[str, str]:
    """The error of the contract, and nothing but it."""
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert all(isinstance(value, str) and value for value in body["error"].values())
    return dict(body["error"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "invalid_json"),
        ("question=hi", 400, "invalid_json"),
        ('{"question":"hi', 400, "invalid_json"),
        ("[]", 400, "invalid_json"),
        ('"hi"', 400, "invalid_json"),
        ("null", 400, "invalid_json"),
        ("{}", 400, "invalid_question"),
        ('{"question":null}', 400, "invalid_question"),
        ('{"question":42}', 400, "invalid_question"),
        ('{"question":true}', 400, "invalid_question"),
        ('{"question":["a"]}', 400, "invalid_question"),
        ('{"question":{"a":1}}', 400, "invalid_question"),
        ('{"question":1e999}', 400, "invalid_question"),
        ('{"question":NaN}', 400, "invalid_json"),
        ('{"question":"a","n":Infinity}', 400, "invalid_json"),
        ('{"question":"a","n":-Infinity}', 400, "invalid_json"),
        ('{"question":"a","question":"b"}', 400, "invalid_json"),
        ('{"question":"a","x":{"y":1,"y":2}}', 400, "invalid_json"),
        ('{"question":"a","n":' + "9" * 5000 + "}", 400, "invalid_json"),
        ("[" * 10_000, 400, "invalid_json"),
        ('{"question":"a","x":' + '{"a":' * 2000 + "1" + "}" * 2000 + "}", 400, "invalid_json"),
        ("{" + ",".join(f'"{n}":0' for n in range(1_000_000)) + "}", 413, "body_too_large"),
        ('{"question":"a\x00b"}', 400, "invalid_json"),
        ('{"question":"a\\u0000b"}', 400, "text_unstorable"),
        ('{"question":"a\\ud800b"}', 400, "text_unstorable"),
        ('\ufeff{"question":"hi"}', 400, "invalid_json"),
        ('{"question":"hi"}'.encode("utf-16"), 400, "invalid_json"),
        ('{"question":"hi"}'.encode("utf-16-le"), 400, "invalid_json"),
        (b'{"question":"\xff\xfe"}', 400, "invalid_json"),
        (b'{"question":"\xc0\xae"}', 400, "invalid_json"),
        (gzip.compress(b'{"question":"hi"}', mtime=0), 400, "invalid_json"),
        ('{"question":""}', 400, "question_blank"),
        ('{"question":" \\u00a0\\u200b "}', 400, "question_blank"),
        ('{"question":"\\u202e\\u2066\\u3164"}', 400, "question_blank"),
        (json.dumps({"question": "a" * 1001}), 400, "question_too_long"),
        (json.dumps({"question": "a" * 4001}), 400, "question_too_long"),
        ('{"question":"a","conversation":"x"}', 400, "invalid_conversation"),
        ('{"question":"a","conversation":7}', 400, "invalid_conversation"),
        ('{"question":"a","conversation":""}', 400, "invalid_conversation"),
        (json.dumps({"question": "x" * BODY_BYTES}), 413, "body_too_large"),
    ],
)
def test_a_bad_body_is_refused_by_its_rule(
    fake: FakePipeline, asker: Client, body: bytes | str, status: int, code: str
) -> None:
    response = send(asker, body)
    assert (response.status_code, error(response)["code"]) == (status, code)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ('{"question":"a"}', "a"),
        ('{"question":"  How do\\tI\\u00a0pay? "}', "How do I pay?"),
        ('{"question":"\\u202eevil\\u202c?"}', "evil?"),
        ('{"question":"!!! & | ( ) <-> :* \\\\ \'"}', "!!! & | ( ) <-> :* \\ '"),
        ('{"question":"a","conversation":null}', "a"),
        ('{"question":"a","not":{"known":[1,2,{}]}}', "a"),
        (json.dumps({"question": "a" + "\u0301" * 900}), "\u00e1" + "\u0301" * 899),
        (json.dumps({"question": "b" * 1000}), "b" * 1000),
        (json.dumps({"question": "\u200b" * 1500 + "c"}), "c"),
        (json.dumps({"question": "\U0001f469\u200d\U0001f467"}), "\U0001f469\u200d\U0001f467"),
    ],
)
def test_a_question_is_asked_as_it_reads_once_cleaned(
    fake: FakePipeline, asker: Client, given: str, asked: str
) -> None:
    assert send(asker, given).status_code == 200
    assert fake.questions == [asked]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/jsonp",
        "",
    ],
)
def test_another_content_type_or_charset_is_415(fake: FakePipeline, asker: Client, content_type: str) -> None:
    response = asker.post(URL, '{"question":"a"}', content_type=content_type)
    assert (response.status_code, error(response)["code"]) == (415, "unsupported_media_type")
    assert fake.asked == []


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
def test_json_in_utf_8_may_say_so(fake: FakePipeline, asker: Client, content_type: str) -> None:
    assert asker.post(URL, '{"question":"a"}', content_type=content_type).status_code == 200


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options", "trace"])
def test_another_method_is_405_and_names_the_one_that_is_allowed(asker: Client, method: str) -> None:
    response = getattr(asker, method)(URL)
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    if method != "head":
        assert error(response)["code"] == "method_not_allowed"


def test_what_announces_more_than_the_limit_is_refused_unread() -> None:
    request = in_chunks(b"")
    request.META |= {"CONTENT_LENGTH": str(BODY_BYTES + 1), "wsgi.input": BrokenInput()}
    with pytest.raises(Refused) as refused:
        read(request, ChatRequest)
    assert (refused.value.status, refused.value.code) == (413, "body_too_large")


def test_exactly_the_limit_is_still_read(fake: FakePipeline, asker: Client) -> None:
    body = '{"question":"a"}'
    assert send(asker, body + " " * (BODY_BYTES - len(body))).status_code == 200
    assert send(asker, body + " " * (BODY_BYTES - len(body) + 1)).status_code == 413


def in_chunks(body: bytes) -> WSGIRequest:
    """As gunicorn hands over what came in chunks: no length, and an input that ends by itself."""
    request = RequestFactory().post(URL, content_type="application/json")
    request.META |= {"CONTENT_LENGTH": "", "CONTENT_TYPE": "application/json", "wsgi.input_terminated": True}
    request.META["wsgi.input"] = io.BytesIO(body)
    request.content_type = "application/json"
    return request


def test_a_body_in_chunks_is_read_up_to_the_limit() -> None:
    assert read(in_chunks(b'{"question":"a"}'), ChatRequest).question == "a"
    with pytest.raises(Refused) as refused:
        read(in_chunks(b" " * (BODY_BYTES + 1)), ChatRequest)
    assert refused.value.status == 413


def test_a_body_that_breaks_off_is_refused_without_a_traceback() -> None:
    request = in_chunks(b"")
    request.META["wsgi.input"] = BrokenInput()
    with pytest.raises(Refused) as refused:
        read(request, ChatRequest)
    assert (refused.value.status, refused.value.code) == (400, "incomplete_body")


class BrokenInput:
    def read(self, size: int) -> bytes:
        raise OSError("connection reset")


@pytest.mark.parametrize(
    "body",
    [
        f"{MARK}",
        f'{{"question":["{MARK}"]}}',
        f'{{"question":"{MARK}\\u0000"}}',
        f'{{"question":"a","conversation":"{MARK}"}}',
        f'{{"question":"{MARK * 100}"}}',
        f'{{"{MARK}":1,"{MARK}":2}}',
    ],
)
def test_no_refusal_repeats_what_was_sent(fake: FakePipeline, asker: Client, body: str) -> None:
    response = send(asker, body)
    assert response.status_code == 400
    assert MARK not in response.content.decode()


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(body: bytes) -> None:
    """Without a database and without a pipeline: a body that is no question never gets that far."""
    asker = Client()
    if b"question" not in body:
        response = send(asker, body)
        assert response.status_code == 400
        error(response)


def nasty_bodies() -> list[Any]:
    path = NASTY / "chat_bodies.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    return [pytest.param(row, id=row["name"]) for row in rows]


def body_of(row: dict[str, Any]) -> bytes:
    if "body_hex" in row:
        return bytes.fromhex(row["body_hex"])
    if "body_repeat" in row:
        piece, times = row["body_repeat"]
        return str(piece * times).encode()
    if "body_wrap" in row:
        head, piece, times, tail = row["body_wrap"]
        return str(head + piece * times + tail).encode()
    return str(row["body"]).encode("utf-8", "surrogatepass")


@pytest.mark.skipif(not nasty_bodies(), reason="the shared catalogue of bodies is not on this machine")
@pytest.mark.parametrize("row", nasty_bodies())
def test_the_catalogue_of_bodies_is_answered_as_it_asks(fake: FakePipeline, asker: Client, row: dict[str, Any]) -> None:
    response = send(asker, body_of(row))
    expected = row["expect"]
    if expected.startswith("200"):
        allowed = {200}
    elif expected.startswith(("4xx or answered", "no 500")):
        allowed = {200, 400}
    else:
        allowed = {400, 413}
    assert response.status_code in allowed
    if response.status_code != 200:
        error(response)


def naughty_strings() -> list[str]:
    path = NASTY / "naughty_strings.jsonl"
    return [json.loads(line)["text"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.skipif(not naughty_strings(), reason="the shared naughty strings are not on this machine")
def test_naughty_strings_are_asked_or_refused_and_never_break_anything(fake: FakePipeline, asker: Client) -> None:
    """A sample, another one each time; the seed is printed so that a failure can be had again."""
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    for text in random.Random(seed).sample(naughty_strings(), 120):
        response = send(asker, json.dumps({"question": text}))
        assert response.status_code in {200, 400}, (seed, text)
        if response.status_code == 400:
            assert error(response)["code"] in {"question_blank", "question_too_long", "text_unstorable"}, (seed, text)
