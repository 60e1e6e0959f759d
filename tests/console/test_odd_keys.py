"""An address or a form with something for a key that only looks like a number: found by the fuzzer."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

ODD = ["⁰⁴⁵", "²", "<a>", "a\u0301", "-1"]


@pytest.mark.parametrize("key", ODD)
@pytest.mark.parametrize("page", ["faq_entry", "rag_job", "rag_missgroup", "rag_receipt", "rag_case"])
def test_an_odd_key_is_no_error_of_ours(client: Client, operator: User, page: str, key: str) -> None:
    client.force_login(operator)
    assert client.get(reverse(f"admin:{page}_change", args=[key])).status_code in {302, 404}


@pytest.mark.parametrize("key", [*ODD, "9" * 400])
def test_an_odd_category_is_told_by_the_form(client: Client, operator: User, key: str) -> None:
    client.force_login(operator)
    sent = client.post(reverse("admin:faq_entry_add"), {"question": "Why?", "answer": "So.", "category": key})
    assert sent.status_code == 200
    assert "Select a valid choice" in sent.content.decode()
