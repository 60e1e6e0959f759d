"""The document says what the door does: checked against live responses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker

from rag.answering.pipeline import Source
from rag.models import Receipt
from tests.chat.fake_pipeline import URL, FakePipeline, an_answer

FEEDBACK = "/api/chat/{id}/feedback/"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    response = Client().get("/api/openapi.json")
    assert response["Content-Type"] == "application/json"
    document: dict[str, Any] = response.json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def check(document: dict[str, Any], model: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{model}", "components": document["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(value)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_it_is_openapi_3_1_with_schemas_that_are_schemas(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    assert document["info"]["title"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert found <= known
    # A model that nothing points at is mentioned by its event.
    assert known - found == {"#/components/schemas/StreamMeta", "#/components/schemas/StreamDelta"}


def test_every_parameter_of_a_path_is_described_and_every_operation_is_named(document: dict[str, Any]) -> None:
    names = []
    for where, operation in operations(document):
        names.append(operation["operationId"])
        described = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", where))
        assert all("description" in response for response in operation["responses"].values())
    assert len(set(names)) == len(names)


def test_every_status_of_the_contract_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    for where, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response["content"]["application/json"]
            if "$ref" in content["schema"]:
                check(document, content["schema"]["$ref"].rsplit("/")[-1], content["example"])
            if status != "200":
                assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}, where
    chat, feedback = (document["paths"][path]["post"]["responses"] for path in (URL, FEEDBACK))
    statuses = {"200", "400", "403", "405", "413", "415", "429", "500", "503"}
    assert set(chat) == statuses
    assert set(feedback) == statuses | {"404"}
    assert "Retry-After" in feedback["429"]["headers"]


def test_the_limit_of_a_question_is_named(document: dict[str, Any]) -> None:
    question = document["components"]["schemas"]["ChatRequest"]["properties"]["question"]
    assert (question["minLength"], question["maxLength"]) == (1, 1000)
    assert "1,000" in question["description"]


@pytest.mark.parametrize("rung", ["exact", "generated", "verbatim", "text_search", "suggestions"])
def test_answers_are_as_documented(document: dict[str, Any], fake: FakePipeline, asker: Client, rung: str) -> None:
    fake.given = an_answer(
        answered_by=rung, degraded=["vector"], did_you_mean=[Source(1, "a", "b", 0.1)], confidence=0.0
    )
    for query in ("", "?did_you_mean=1"):
        response = asker.post(URL + query, {"question": "a"}, content_type="application/json")
        check(document, "ChatResponse", response.json())


def test_refusals_are_as_documented(document: dict[str, Any], fake: FakePipeline, asker: Client) -> None:
    documented = document["paths"][URL]["post"]["responses"]
    refused = [
        asker.post(URL, {"question": ""}, content_type="application/json"),
        asker.post(URL, {"question": ""}, content_type="application/json", HTTP_X_CSRFTOKEN="x"),
        asker.get(URL),
        asker.post(URL, {"question": "a" * 20_000}, content_type="application/json"),
        asker.post(URL, "a", content_type="text/plain"),
    ]
    assert [response.status_code for response in refused] == [400, 403, 405, 413, 415]
    for response in refused:
        assert str(response.status_code) in documented
        check(document, "ErrorResponse", response.json())


def test_feedback_is_as_documented(document: dict[str, Any], asker: Client, db: None) -> None:
    receipt = Receipt.objects.create(conversation=uuid.uuid4(), answered_by="exact", confidence=1)
    for vote in ("up", "down", None):
        path = f"/api/chat/{receipt.pk}/feedback/"
        response = asker.post(path, {"vote": vote}, content_type="application/json")
        check(document, "FeedbackResponse", response.json())


def test_an_answer_that_lacks_a_key_of_the_contract_does_not_fit(document: dict[str, Any]) -> None:
    """So that the checks above can fail."""
    example = document["paths"][URL]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    for name in example:
        short = {key: value for key, value in example.items() if key != name}
        with pytest.raises(Exception, match=name):
            check(document, "ChatResponse", short)
