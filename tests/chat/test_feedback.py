"""Votes: kept, taken back, refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from rag.models import Receipt


@pytest.fixture
def receipt(db: None) -> Receipt:
    return Receipt.objects.create(
        conversation=uuid.uuid4(), question="q", answer="a", answered_by="exact", confidence=1.0
    )


def vote(asker: Client, answer_id: object, body: Any) -> Any:
    return asker.post(f"/api/chat/{answer_id}/feedback/", body, content_type="application/json")


def test_a_vote_with_its_reason_is_kept_and_can_be_taken_back(asker: Client, receipt: Receipt) -> None:
    response = vote(asker, receipt.pk, {"vote": "down", "reason": " out of\u202e date "})
    assert response.json() == {"id": str(receipt.pk), "vote": "down"}
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("down", "out of date")
    assert vote(asker, receipt.pk, {"vote": None}).json() == {"id": str(receipt.pk), "vote": None}
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("", "")


def test_a_vote_on_an_unknown_answer_is_404(asker: Client, receipt: Receipt) -> None:
    response = vote(asker, uuid.uuid4(), {"vote": "up"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_vote"),
        ({"vote": "sideways"}, "invalid_vote"),
        ({"vote": 1}, "invalid_vote"),
        ({"vote": ["up"]}, "invalid_vote"),
        ({"vote": "up", "reason": 5}, "invalid_reason"),
        ({"vote": "up", "reason": "x" * 501}, "reason_too_long"),
        ({"vote": "up", "reason": "a\x00"}, "text_unstorable"),
    ],
)
def test_a_vote_that_is_none_is_refused_and_changes_nothing(
    asker: Client, receipt: Receipt, body: dict[str, Any], code: str
) -> None:
    response = vote(asker, receipt.pk, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    receipt.refresh_from_db()
    assert (receipt.vote, receipt.vote_reason) == ("", "")


def test_feedback_by_another_method_is_405(asker: Client) -> None:
    response = asker.get(f"/api/chat/{uuid.uuid4()}/feedback/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
