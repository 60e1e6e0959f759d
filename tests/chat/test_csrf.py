"""Nobody asks or votes in the name of another site's visitor."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.chat.fake_pipeline import QUESTION, URL, FakePipeline, ask


def test_a_get_gives_the_cookie_that_a_post_needs(fake: FakePipeline) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.get(URL).status_code == 405
    token = client.cookies["csrftoken"].value
    assert ask(client, HTTP_X_CSRFTOKEN=token).status_code == 200


@pytest.mark.parametrize("path", [URL, f"/api/chat/{uuid.UUID(int=1)}/feedback/"])
@pytest.mark.parametrize("token", [None, "", "x", "a" * 32, "a" * 64, "é"])
def test_a_post_without_the_right_token_is_403_in_json(fake: FakePipeline, path: str, token: str | None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get(URL)
    headers = {} if token is None else {"HTTP_X_CSRFTOKEN": token}
    response = client.post(path, QUESTION, content_type="application/json", **headers)  # type: ignore[arg-type]  # headers as keywords
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "csrf_failed"
    assert fake.asked == []


def test_a_foreign_origin_is_403_even_with_the_token(fake: FakePipeline, asker: Client) -> None:
    for origin in ("https://evil.example", "null"):
        assert ask(asker, HTTP_ORIGIN=origin).status_code == 403
    assert ask(asker, HTTP_ORIGIN="http://testserver").status_code == 200
