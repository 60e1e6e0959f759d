"""While an entry is written: the preview is the public answer, and entries alike are named. Its history in words."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from faq.models import Entry
from rag.index.embedding import reset_embedder
from tests.conftest import Index, InRole, Publish
from tests.console.test_entries_admin import as_editor, text

pytestmark = pytest.mark.django_db
PREVIEW = reverse("admin:faq_entry_preview")
ALIKE = reverse("admin:faq_entry_alike")
__all__ = ["as_editor"]  # a fixture


def exchange(page: str) -> str:
    """The answer on the page, without what differs from one answer to the next: ids, tokens, the source's address."""
    found = re.search(r'<article class="exchange".*?</article>', page, re.DOTALL)
    assert found, page
    shown = re.sub(r' data-id="[^"]*"|<input type="hidden"[^>]*>|href="/entries/[^"]*"', "", found[0])
    return re.sub(r"\s+", " ", shown)


@pytest.mark.parametrize(
    "answer",
    ["By card.", "One\n\nTwo: https://example.org/pay. <b>Three</b> & more", "• How do I pay?\nlist", "a" * 5_000],
)
def test_the_preview_is_what_an_asker_gets(as_editor: Client, published: Publish, answer: str) -> None:
    published("How do I pay?", answer)
    public = Client().post("/", {"question": "How do I pay?"}).content.decode()
    sent = {"question": "How do I pay?", "answer": answer.replace("\n", "\r\n")}
    preview = as_editor.post(PREVIEW, sent).content.decode()
    assert exchange(preview) == exchange(public)


def test_the_preview_runs_no_script_and_follows_the_theme(as_editor: Client) -> None:
    page = as_editor.post(PREVIEW, {"question": "<script>x", "answer": "<img src=x>", "theme": "dark"}).content.decode()
    assert "<script" not in page
    assert "<img" not in page
    assert 'data-theme="dark"' in page
    assert "Write an answer" in text(as_editor.post(PREVIEW, {"question": "How?"}))


def test_the_preview_writes_nothing(as_editor: Client) -> None:
    as_editor.post(PREVIEW, {"question": "How?", "answer": "So"})
    assert not Entry.objects.exists()


@pytest.mark.parametrize("address", [PREVIEW, ALIKE])
def test_only_who_writes_asks_for_them_and_only_by_post(
    as_editor: Client, client: Client, in_role: InRole, address: str
) -> None:
    assert as_editor.get(address).status_code == 405
    client.force_login(in_role("analyst"))
    assert client.post(address, {"question": "x"}).status_code == 403
    assert Client().post(address, {"question": "x"}).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="editor"))
    assert strict.post(address, {"question": "x"}).status_code == 403


def test_entries_alike_are_named_with_a_link_and_the_entry_itself_is_not(
    as_editor: Client, published: Publish, indexed: Index
) -> None:
    entry = published("How do I reset my <password>?", "Use the link.")
    indexed()
    page = as_editor.post(ALIKE, {"question": "How can I reset the password?", "entry": ""})
    assert html.escape("How do I reset my <password>?") in page.content.decode()
    assert reverse("admin:faq_entry_change", args=[entry.pk]) in page.content.decode()
    own = as_editor.post(ALIKE, {"question": "How do I reset my <password>?", "entry": entry.pk})
    assert "No published entry asks this." in text(own)
    assert "Write the question" in text(as_editor.post(ALIKE, {"question": " "}))


def test_without_the_model_it_says_that_only_words_were_compared(
    as_editor: Client, published: Publish, settings: Any, tmp_path: Any
) -> None:
    settings.MODEL_DIR = tmp_path
    reset_embedder()
    published("How do I reset my password?", "Use the link.")
    page = text(as_editor.post(ALIKE, {"question": "How do I reset the password?"}))
    reset_embedder()
    assert "Compared by words only, because the embedding model cannot be reached" in page
    assert "How do I reset my password?" in page


def test_the_form_says_how_the_entry_stands(as_editor: Client, published: Publish, indexed: Index) -> None:
    entry = published("How?", "So")
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    assert "Not in the index yet" in text(as_editor.get(address))
    indexed()
    assert "In the index as it reads now" in text(as_editor.get(address))
    assert "0 asks" in text(as_editor.get(address))


# History


def test_the_history_tells_each_change_word_by_word(as_editor: Client, published: Publish) -> None:
    entry = published("How do I pay?", "By card today", variants=["Pay?"])
    entry.answer, entry.variants, entry.status = "By cheque today", ["Pay?", "Costs?"], "archived"
    entry.save()
    page = text(as_editor.get(reverse("admin:faq_entry_history", args=[entry.pk])))
    assert "Answer By removed: card added: cheque today" in page
    assert "Variants Pay? added: Costs?" in page
    assert "Status removed: published added: archived" in page
    assert "See and restore" in page


def test_the_oldest_of_a_page_is_compared_with_the_next_page(
    as_editor: Client, published: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    from console.admin.entry_history import EntryHistory

    monkeypatch.setattr(EntryHistory, "history_list_per_page", 1)
    entry = published("How?", "Old")
    entry.answer = "New"
    entry.save()
    address = reverse("admin:faq_entry_history", args=[entry.pk])
    assert "removed: Old added: New" in text(as_editor.get(address))
    assert "Written" in text(as_editor.get(f"{address}?p=2"))


def test_who_may_only_look_is_not_offered_to_restore_and_cannot(
    client: Client, published: Publish, in_role: InRole
) -> None:
    entry = published("How?", "Old")
    first = entry.history.first()
    entry.answer = "New"
    entry.save()
    client.force_login(in_role("analyst"))
    assert "restore" not in text(client.get(reverse("admin:faq_entry_history", args=[entry.pk])))
    address = reverse("admin:faq_entry_simple_history", args=[entry.pk, first.pk])
    assert client.get(address).status_code == 200
    sent = {"question": "How?", "answer": "Old", "language": "en", "status": "published", "category": entry.category_id}
    assert client.post(address, sent).status_code == 403
    assert Entry.objects.get().answer == "New"
