"""The entries' pages in the console: list, search, form, history, and what is done with many at once."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from faq.models import Category, Entry
from faq.signals import entries_changed

pytestmark = pytest.mark.django_db
LIST = reverse("admin:faq_entry_changelist")
Published = Callable[..., Entry]


@pytest.fixture
def as_editor(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


@pytest.fixture
def viewer(db: None) -> User:
    """May look at content, and change nothing."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_", content_type__app_label="faq"))
    return user


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    senders: list[Any] = []

    def listen(sender: Any, **_: Any) -> None:
        senders.append(sender)

    entries_changed.connect(listen)
    yield senders
    entries_changed.disconnect(listen)


def text(response: Any) -> str:
    """What is read on the page."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def exported(client: Client, query: str = "") -> list[dict[str, str]]:
    response: Any = client.get(reverse("admin:faq_entry_export_as", args=["csv"]) + query)
    return list(csv.DictReader(StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))


# List, search, filters


def test_the_list_shows_each_entry_s_state(as_editor: Client, published: Published) -> None:
    entry = published("How do I pay?", "By card", category="Billing")
    Entry.objects.filter(pk=entry.pk).update(review_date="2020-01-01", language="fr")
    page = text(as_editor.get(LIST))
    for part in ("How do I pay?", "Billing", "Published", "fr", "2020-01-01 (overdue)"):
        assert part in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=plastic", {"By card?"}),
        ("?status__exact=draft", {"Draft?"}),
        ("?review=overdue", {"Late?"}),
        ("?review=none", {"By card?", "Draft?"}),
        ("?language=fr", {"Draft?"}),
    ],
)
def test_search_and_filters_narrow_the_list_and_the_export_alike(
    as_editor: Client, published: Published, query: str, found: set[str]
) -> None:
    published("By card?", "Yes", variants=["With plastic?"])
    Entry.objects.filter(pk=published("Late?", "Yes").pk).update(review_date="2020-01-01")
    Entry.objects.filter(pk=published("Draft?", "Yes").pk).update(status="draft", language="fr")
    listed = as_editor.get(LIST + query).context["cl"].queryset
    assert {entry.question for entry in listed} == found
    assert {row["question"] for row in exported(as_editor, query)} == found


# Form and history


def fields(**changes: Any) -> dict[str, Any]:
    category, _ = Category.objects.get_or_create(name="General")
    base = {"question": "How do I pay?", "answer": "By card", "language": "en", "status": "draft"}
    return (
        base | {"category": category.pk, "variants": "", "tags": "", "external_id": "pay", "review_date": ""} | changes
    )


def test_an_entry_is_written_by_the_form_in_the_form_that_is_kept(as_editor: Client, editor: User) -> None:
    changes = {"answer": "One\r\n\r\nTwo ", "variants": "Cafe\u0301?\r\n\r\nWhere?", "language": "PT-br"}
    response = as_editor.post(reverse("admin:faq_entry_add"), fields(**changes))
    assert response.status_code == 302, text(response)
    entry = Entry.objects.get(external_id="pay")
    assert (entry.answer, entry.variants, entry.language) == ("One\n\nTwo", ["Café?", "Where?"], "pt-BR")
    assert entry.history.get().history_user == editor


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"language": "english"}, "not a language tag"),
        ({"question": "\u200b"}, "Nothing of this can be seen"),
        ({"question": "WHERE ARE YOU?"}, "asks this already"),
        ({"variants": "x" * 501}, "has 501 characters, at most 500"),
        ({"answer": "x" * 20_001}, "at most 20000 characters"),
    ],
)
def test_the_form_holds_an_entry_to_the_rules_of_an_import(
    as_editor: Client, published: Published, changes: dict[str, str], said: str
) -> None:
    published("Where are you?", "Here")
    response = as_editor.post(reverse("admin:faq_entry_add"), fields(**changes))
    assert response.status_code == 200
    assert said in text(response)
    assert Entry.objects.count() == 1


def test_saving_an_imported_entry_untouched_leaves_its_text_as_it_was(as_editor: Client, published: Published) -> None:
    entry = published("How do I pay?", "One\nTwo", variants=["A?", "B?"])
    page = as_editor.get(reverse("admin:faq_entry_change", args=[entry.pk]))
    form = page.context["adminform"].form
    sent = {name: (form[name].value() or "") for name in form.fields}
    sent |= {name: str(sent[name]).replace("\n", "\r\n") for name in ("answer", "variants")}
    assert as_editor.post(reverse("admin:faq_entry_change", args=[entry.pk]), sent).status_code == 302
    assert Entry.objects.get(pk=entry.pk).text_hash == entry.text_hash
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def test_an_earlier_version_is_restored(as_editor: Client, editor: User, published: Published) -> None:
    entry = published("How do I pay?", "By card", variants=["Can I pay?"])
    first = entry.history.first()
    entry.answer, entry.variants = "In cash", []
    entry.save()
    history = text(as_editor.get(reverse("admin:faq_entry_history", args=[entry.pk])))
    assert "removed: card" in history
    assert "added: cash" in history

    address = reverse("admin:faq_entry_simple_history", args=[entry.pk, first.pk])
    form = as_editor.get(address).context["adminform"].form
    sent = {name: (form[name].value() or "") for name in form.fields}
    assert as_editor.post(address, sent).status_code == 302

    entry = Entry.objects.get(pk=entry.pk)
    assert (entry.answer, entry.variants) == ("By card", ["Can I pay?"])
    newest = entry.history.first()
    assert (newest.history_user, newest.history_change_reason) == (editor, "an earlier version restored")
    assert entry.history.count() == 3


def test_html_in_an_entry_is_shown_as_text(as_editor: Client, published: Published) -> None:
    entry = published("<script>alert(1)</script>?", "<img src=x onerror=alert(1)>")
    pages = (
        LIST,
        reverse("admin:faq_entry_change", args=[entry.pk]),
        reverse("admin:faq_entry_history", args=[entry.pk]),
    )
    for address in pages:
        content = as_editor.get(address).content.decode()
        assert "<script>alert(1)" not in content
        assert "<img src=x" not in content


def test_a_category_counts_its_entries(as_editor: Client, published: Published) -> None:
    published("One?", "1", category="Billing")
    published("Two?", "2", category="Billing")
    page = as_editor.get(reverse("admin:faq_category_changelist"))
    assert "Billing" in text(page)
    assert ">2</a>" in page.content.decode()


# Many at once


@pytest.mark.parametrize(
    ("action", "status"), [("publish", "published"), ("archive", "archived"), ("make_drafts", "draft")]
)
def test_a_bulk_action_changes_the_status_keeps_history_and_tells_the_index(
    as_editor: Client, editor: User, published: Published, heard: list[Any], action: str, status: str
) -> None:
    entries = [published(f"Question {n}?", "x") for n in range(3)]
    for entry, before in zip(entries, Entry.Status.values, strict=True):
        Entry.objects.filter(pk=entry.pk).update(status=before)
    response = as_editor.post(
        LIST, {"action": action, "_selected_action": [entry.pk for entry in entries]}, follow=True
    )
    assert "2 entries. 1 had this status already." in text(response)
    assert set(Entry.objects.values_list("status", flat=True)) == {status}
    assert Entry.history.filter(history_user=editor).count() == 2
    assert heard == [Entry]


def test_a_bulk_action_is_not_offered_nor_done_without_the_right(
    client: Client, viewer: User, published: Published, heard: list[Any]
) -> None:
    entry = published("How?", "So")
    client.force_login(viewer)
    client.post(LIST, {"action": "archive", "_selected_action": [entry.pk]})
    assert Entry.objects.get().status == "published"
    assert heard == []
