"""A list with nothing in it says why, and what to do about it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from faq.models import Category
from tests.conftest import InRole

pytestmark = pytest.mark.django_db


def shown(client: Client, path: str) -> str:
    return " ".join(client.get(path).content.decode().split())


@pytest.mark.parametrize(
    ("path", "why", "what_next"),
    [
        ("/admin/faq/category/", "Categories sort entries", "Add the first category"),
        ("/admin/rag/case/", "A case is a question", "Add the first case"),
    ],
)
def test_nothing_yet(client: Client, path: str, why: str, what_next: str) -> None:
    client.force_login(User.objects.create_superuser("chief"))
    page = shown(client, path)
    assert why in page
    assert what_next in page


def test_nothing_that_fits_is_another_matter(client: Client) -> None:
    client.force_login(User.objects.create_superuser("chief"))
    Category.objects.create(name="Opening hours")
    page = shown(client, "/admin/faq/category/?q=zyzzyva")
    assert "Show all categories" in page
    assert "Add the first" not in page


def test_who_may_not_add_is_not_told_to(client: Client, in_role: InRole) -> None:
    client.force_login(in_role("analyst"))
    assert "Add the first" not in shown(client, "/admin/faq/category/")
