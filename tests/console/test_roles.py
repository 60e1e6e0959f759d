"""The roles: that they are there on every database, and what each may do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from console.roles import ROLES, establish, fitting
from faq.models import Category
from tests.conftest import InRole
from tests.console.test_entries_admin import text

pytestmark = pytest.mark.django_db


def granted(role: str) -> set[str]:
    rows = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in rows}


def test_a_fresh_database_has_the_roles() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
    assert {"faq.publish_entry", "faq.change_entry", "rag.view_receipt"} <= granted("editor")
    assert "faq.review_entry" in granted("reviewer") - granted("editor")
    assert {"rag.add_job", "rag.change_generation", "console.view_auditevent"} <= granted("operator")
    assert "auth.change_user" in granted("administrator")
    assert not [name for name in granted("analyst") if ".view_" not in name]


def test_an_older_database_gets_them_with_its_next_migrate() -> None:
    Permission.objects.filter(codename__in=["publish_entry", "review_entry"]).delete()
    Group.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
    assert "faq.review_entry" in granted("reviewer")


def test_a_role_that_was_changed_by_hand_is_set_right_and_other_groups_and_members_are_kept(editor: User) -> None:
    Group.objects.get(name="editor").permissions.clear()
    Group.objects.get(name="analyst").permissions.add(Permission.objects.get(codename="change_user"))
    own = Group.objects.create(name="translators")
    own.permissions.add(Permission.objects.get(codename="change_entry"))
    establish()
    assert "faq.change_entry" in granted("editor")
    assert "auth.change_user" not in granted("analyst")
    assert granted("translators") == {"faq.change_entry"}
    assert editor.groups.get().name == "editor"


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_pattern_of_a_role_stands_for_something(role: str) -> None:
    known = {f"{one.content_type.app_label}.{one.codename}": one.pk for one in _all_permissions()}
    assert not [pattern for pattern in ROLES[role] if not fitting([pattern], known)]


def _all_permissions() -> Any:
    return Permission.objects.select_related("content_type")


# Nobody climbs


def test_an_administrator_makes_no_superuser_and_touches_none(
    client: Client, administrator: User, operator: User, visitor: User
) -> None:
    client.force_login(administrator)
    sent = {"username": "visitor", "is_active": "on", "is_superuser": "on", "user_permissions": ["1"]}
    sent |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    client.post(reverse("admin:auth_user_change", args=[visitor.pk]), sent)
    visitor.refresh_from_db()
    assert not visitor.is_superuser
    assert not visitor.user_permissions.exists()

    password = reverse("admin:auth_user_password_change", args=[operator.pk])
    assert client.post(password, {"password1": "correct-horse-1", "password2": "correct-horse-1"}).status_code == 403
    assert client.post(reverse("admin:auth_user_delete", args=[operator.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [operator.pk, visitor.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), chosen)
    assert User.objects.filter(pk__in=[operator.pk, visitor.pk]).count() == 2


def test_a_role_is_neither_changed_nor_deleted_on_its_page(client: Client, operator: User) -> None:
    client.force_login(operator)
    group = Group.objects.get(name="editor")
    page = client.get(reverse("admin:auth_group_change", args=[group.pk]))
    assert "This role comes with the product" in text(page)
    assert client.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "x"}).status_code == 403
    assert client.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    client.post(reverse("admin:auth_group_changelist"), chosen)
    assert Group.objects.filter(name="editor").exists()


def test_only_who_reviews_turns_four_eyes_on_or_off(client: Client, editor: User, in_role: InRole) -> None:
    category = Category.objects.create(name="Law", four_eyes=True)
    address = reverse("admin:faq_category_change", args=[category.pk])
    client.force_login(editor)
    client.post(address, {"name": "Law", "position": "1"})
    category.refresh_from_db()
    assert (category.position, category.four_eyes) == (1, True)
    client.force_login(in_role("reviewer"))
    client.post(address, {"name": "Law", "position": "1"})
    category.refresh_from_db()
    assert not category.four_eyes


@pytest.mark.parametrize("path", ["dashboard/", "dashboard/queues/0/clear/", "dashboard/stats.json"])
def test_the_queue_s_own_pages_are_for_operators(client: Client, in_role: InRole, path: str) -> None:
    """They are switched off, so an operator is let through to where there is nothing."""
    address = f"/admin/django_rq/{path}"
    assert client.get(address).status_code == 403
    for role in ("editor", "reviewer", "analyst"):
        client.force_login(in_role(role))
        assert client.get(address).status_code == 403
        assert client.post(address).status_code == 403
    client.force_login(in_role("operator"))
    assert client.get(address).status_code == 404
