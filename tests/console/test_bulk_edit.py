"""Editing many entries together: seen first, then done, and taken back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console.models import AuditEvent
from faq import bulk
from faq.models import Category, Entry
from tests.conftest import InRole, Publish
from tests.console.test_entries_admin import LIST, as_editor, heard, text

pytestmark = pytest.mark.django_db
__all__ = ["as_editor", "heard"]  # fixtures


@pytest.fixture
def three(published: Publish) -> list[Entry]:
    entries = [published(f"{n}?", "x") for n in range(3)]
    entries[0].tags, entries[0].language = ["old", "kept"], "fr"
    entries[0].save()
    return entries


def together(client: Client, entries: list[Entry], step: str, **fields: Any) -> Any:
    sent = {"action": "edit_together", "_selected_action": [entry.pk for entry in entries], "edit": step, **fields}
    return client.post(LIST, sent, follow=True)


def test_the_form_comes_first_and_changes_nothing(as_editor: Client, three: list[Entry]) -> None:
    chosen = {"action": "edit_together", "_selected_action": [entry.pk for entry in three]}
    page = as_editor.post(LIST, chosen)
    assert "3 entries chosen." in text(page)
    assert page.content.decode().count('name="_selected_action"') == 3


def test_the_preview_counts_and_shows_and_writes_nothing(as_editor: Client, three: list[Entry]) -> None:
    page = text(together(as_editor, three, "preview", language="fr", add_tags="new"))
    assert "3 entries would change." in page
    assert "Language: from en to fr" in page
    page = text(together(as_editor, three, "preview", language="fr"))
    assert "2 entries would change." in page
    assert "1 has this already." in page
    assert "Change 2 entries" in page
    assert Entry.objects.filter(language="fr").count() == 1


def test_confirmed_it_is_done_with_history_and_told_to_the_index(
    as_editor: Client, three: list[Entry], heard: list[Any]
) -> None:
    law = Category.objects.create(name="Law")
    fields = {"category": law.pk, "review_date": "2030-01-31", "add_tags": "new", "remove_tags": "old"}
    page = text(together(as_editor, three, "confirm", **fields))
    assert "Edited: 3 entries." in page
    first = Entry.objects.get(pk=three[0].pk)
    assert (first.category, first.tags, str(first.review_date)) == (law, ["kept", "new"], "2030-01-31")
    assert first.answer == "x"
    assert first.history.first().history_change_reason.startswith("edited together")
    assert heard == [Entry]
    event = AuditEvent.objects.first()
    assert event is not None
    assert event.object_name == "3 entries"
    assert event.after["edit"]["category"] == "Law"


def way_back(page: Any) -> str:
    found = re.search(r'href="([^"]+/take-back/[^"]+)"', page.content.decode())
    assert found, text(page)
    return found[1]


def test_it_is_taken_back_except_where_somebody_went_on(as_editor: Client, three: list[Entry]) -> None:
    address = way_back(together(as_editor, three, "confirm", language="de", add_tags="new"))
    moved = Entry.objects.get(pk=three[2].pk)
    moved.answer = "Changed since"
    moved.save()
    assert "2 entries get back" in text(as_editor.get(address))
    assert Entry.objects.filter(language="de").count() == 3
    assert "Taken back: 2 entries." in text(as_editor.post(address, follow=True))
    languages = dict(Entry.objects.values_list("pk", "language"))
    assert [languages[entry.pk] for entry in three] == ["fr", "en", "de"]
    assert Entry.objects.get(pk=three[0].pk).tags == ["old", "kept"]
    assert Entry.objects.get(pk=moved.pk).answer == "Changed since"
    assert as_editor.get(address).status_code == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Nothing is chosen"),
        ({"language": "english"}, "not a language tag"),
        ({"review_date": "2030-01-31", "no_review_date": "on"}, "Choose a date or none, not both."),
        ({"category": "4711"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_done(
    as_editor: Client, three: list[Entry], fields: dict[str, str], said: str
) -> None:
    assert said in text(together(as_editor, three, "confirm", **fields))
    assert not Entry.history.filter(history_change_reason__startswith=bulk.REASON).exists()


def test_all_of_the_filter_are_edited_not_only_those_of_the_page(as_editor: Client, published: Publish) -> None:
    for n in range(55):
        published(f"{n}?", "x")
    chosen = {"action": "edit_together", "select_across": "1", "_selected_action": [Entry.objects.first().pk]}  # type: ignore[union-attr]  # there is one
    as_editor.post(LIST, {**chosen, "edit": "confirm", "language": "fr"})
    assert Entry.objects.filter(language="fr").count() == 55


@pytest.mark.parametrize("method", ["get", "post"])
def test_taking_back_needs_the_right_to_change(
    as_editor: Client, client: Client, three: list[Entry], in_role: InRole, method: str
) -> None:
    address = way_back(together(as_editor, three, "confirm", language="de"))
    client.force_login(in_role("analyst"))
    assert getattr(client, method)(address).status_code == 403
    assert Entry.objects.filter(language="de").count() == 3


def test_a_token_that_nobody_made_leads_nowhere(as_editor: Client) -> None:
    assert as_editor.get(reverse("admin:faq_entry_take_back", args=["0" * 16])).status_code == 404
