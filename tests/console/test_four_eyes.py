"""Four eyes: in a category that asks for them, nobody publishes what they wrote, by whatever way they try."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from faq import bulk
from faq.models import Category, Entry
from faq.publishing import objection, writers
from tests.conftest import InRole
from tests.console.test_entries_admin import LIST, text
from tests.console.test_entry_transfer import CONFIRM, own_folder, token, upload

pytestmark = pytest.mark.django_db
__all__ = ["own_folder"]  # a fixture


@pytest.fixture
def law(db: None) -> Category:
    return Category.objects.create(name="Law", four_eyes=True)


def sent(entry: Entry | None, category: Category, **changes: str) -> dict[str, Any]:
    base = {"question": "May I?", "answer": "Yes", "language": "en", "status": "draft", "variants": "", "tags": ""}
    known = {"external_id": entry.external_id} if entry else {"external_id": "may-i"}
    return base | known | {"category": category.pk, "review_date": ""} | changes


def write(client: Client, category: Category, **changes: str) -> Entry:
    response = client.post(reverse("admin:faq_entry_add"), sent(None, category, **changes))
    assert response.status_code == 302, text(response)
    return Entry.objects.get(external_id="may-i")


def save(client: Client, entry: Entry, **changes: str) -> str:
    """What the page says when the form of this entry is sent."""
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    response = client.post(address, sent(entry, entry.category, **changes), follow=True)
    entry.refresh_from_db()
    return text(response)


@pytest.fixture
def as_writer(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


@pytest.fixture
def as_reviewer(reviewer: User) -> Client:
    client = Client()
    client.force_login(reviewer)
    return client


# The form


def test_the_writer_does_not_publish_and_another_reviewer_does(
    as_writer: Client, as_reviewer: Client, law: Category
) -> None:
    entry = write(as_writer, law)
    assert "the last edit is yours" in save(as_writer, entry, status="published")
    assert entry.status == "draft"
    save(as_reviewer, entry, status="published")
    assert entry.status == "published"


def test_a_new_entry_is_not_published_at_once(as_writer: Client, law: Category) -> None:
    response = as_writer.post(reverse("admin:faq_entry_add"), sent(None, law, status="published"))
    assert "The category Law asks for four eyes" in text(response)
    assert not Entry.objects.exists()


def test_a_reviewer_who_changes_the_text_is_its_writer_then(
    as_writer: Client, as_reviewer: Client, law: Category
) -> None:
    entry = write(as_writer, law)
    assert "the last edit is yours" in save(as_reviewer, entry, answer="No", status="published")
    save(as_reviewer, entry, answer="No")
    assert "the last edit is yours" in save(as_reviewer, entry, answer="No", status="published")
    assert entry.status == "draft"


def test_another_editor_is_no_reviewer(as_writer: Client, law: Category, in_role: InRole, client: Client) -> None:
    entry = write(as_writer, law)
    client.force_login(in_role("editor", "second"))
    assert "a reviewer who did not write it can publish it" in save(client, entry, status="published")
    assert entry.status == "draft"


def test_a_published_entry_is_not_rewritten_while_it_is_published(
    as_writer: Client, as_reviewer: Client, law: Category
) -> None:
    entry = write(as_writer, law)
    save(as_reviewer, entry, status="published")
    assert "Your edit waits for another person" in save(as_writer, entry, answer="No", status="published")
    assert Entry.objects.get().answer == "Yes"
    save(as_writer, entry, status="published", tags="seen")  # no text: nobody has to read it twice
    assert Entry.objects.get().tags == ["seen"]


def test_saving_without_a_change_makes_nobody_the_writer(
    as_writer: Client, as_reviewer: Client, law: Category, reviewer: User, editor: User
) -> None:
    entry = write(as_writer, law)
    save(as_reviewer, entry, tags="read")
    assert writers([entry.pk]) == {entry.pk: editor.pk}
    save(as_reviewer, entry, tags="read", status="published")
    assert entry.status == "published"


def test_writing_and_taking_it_back_makes_its_writer_too(as_writer: Client, as_reviewer: Client, law: Category) -> None:
    entry = write(as_writer, law)
    save(as_reviewer, entry, answer="No")
    save(as_reviewer, entry, answer="Yes")
    assert "the last edit is yours" in save(as_reviewer, entry, status="published")


@pytest.mark.parametrize("leaves", ["Law", "Plain"])
def test_a_published_entry_is_moved_neither_in_nor_out(
    as_writer: Client, as_reviewer: Client, law: Category, leaves: str
) -> None:
    plain = Category.objects.create(name="Plain")
    here, there = (law, plain) if leaves == "Law" else (plain, law)
    entry = write(as_writer, here)
    save(as_reviewer, entry, status="published")
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    page = as_writer.post(address, sent(entry, there, status="published"), follow=True)
    assert "Your edit waits for another person" in text(page)
    assert Entry.objects.get().category == here
    moved = f"external_id,category,question,answer\nmay-i,{there.name},May I?,Yes\n"
    assert "The category Law asks for four eyes" in text(upload(as_writer, moved))
    outcome, _ = bulk.write([entry.pk], bulk.Edit(category=there), User.objects.get(username="editor"))
    assert (outcome.changed, sum(outcome.refused.values())) == ([], 1)


def test_superusers_have_two_eyes_as_well(client: Client, operator: User, law: Category) -> None:
    client.force_login(operator)
    entry = write(client, law)
    assert "the last edit is yours" in save(client, entry, status="published")


# The other ways


def test_the_list_s_action_leaves_it_and_says_why(as_writer: Client, as_reviewer: Client, law: Category) -> None:
    entry = write(as_writer, law)
    other = Entry.objects.create(question="Else?", answer="x", category=Category.objects.create(name="Plain"))
    chosen = {"action": "publish", "_selected_action": [entry.pk, other.pk]}
    page = text(as_writer.post(LIST, chosen, follow=True))
    assert "Published: 1 entry." in page
    assert "Left as it is: 1 entry. The category Law asks for four eyes, and the last edit is yours" in page
    assert set(Entry.objects.published()) == {other}
    as_reviewer.post(LIST, chosen)
    assert Entry.objects.published().count() == 2


@pytest.mark.parametrize("publish", ["", "on"])
def test_an_import_refuses_the_row_and_says_why(as_writer: Client, law: Category, publish: str) -> None:
    status = "" if publish else ",status"
    value = "" if publish else ",published"
    file = f"category,question,answer{status}\nLaw,May I?,Yes{value}\n"
    page = text(upload(as_writer, file, **({"publish": publish} if publish else {})))
    assert "because 1 row was refused" in page
    assert "The category Law asks for four eyes, and the last edit is yours" in page


def test_an_import_writes_drafts_there_and_changes_nothing_published(
    as_writer: Client, as_reviewer: Client, law: Category
) -> None:
    preview = upload(as_writer, "external_id,category,question,answer\nmay-i,Law,May I?,Yes\n")
    as_writer.post(CONFIRM, {"token": token(preview), "confirm": "1"})
    save(as_reviewer, Entry.objects.get(), status="published")
    changed = "external_id,category,question,answer\nmay-i,Law,May I?,No\n"
    assert "change this entry on its own page, where the edit waits" in text(upload(as_writer, changed))
    assert Entry.objects.get().answer == "Yes"
    reviewed = "external_id,category,question,answer,status\nmay-i,Law,May I?,No,draft\n"
    assert "Confirming writes 0 new and 1 changed" in text(upload(as_writer, reviewed))


def test_a_reviewer_publishes_by_import_what_another_wrote(
    as_writer: Client, as_reviewer: Client, law: Category
) -> None:
    write(as_writer, law)
    file = "external_id,category,question,answer,status\nmay-i,Law,May I?,Yes,published\n"
    assert "asks for four eyes" in text(upload(as_writer, file))
    as_reviewer.post(CONFIRM, {"token": token(upload(as_reviewer, file)), "confirm": "1"})
    assert Entry.objects.get().status == "published"


def test_what_became_four_eyed_between_preview_and_confirmation_is_refused(as_writer: Client, law: Category) -> None:
    Category.objects.update(four_eyes=False)
    preview = upload(as_writer, "category,question,answer\nLaw,May I?,Yes\n", publish="on")
    Category.objects.update(four_eyes=True)
    assert "asks for four eyes" in text(as_writer.post(CONFIRM, {"token": token(preview), "confirm": "1"}))
    assert not Entry.objects.exists()


def test_an_earlier_published_version_is_not_restored_as_published(
    as_writer: Client, as_reviewer: Client, law: Category
) -> None:
    entry = write(as_writer, law)
    save(as_reviewer, entry, status="published")
    published = entry.history.first()
    save(as_writer, entry, answer="No", status="draft")
    address = reverse("admin:faq_entry_simple_history", args=[entry.pk, published.pk])
    page = text(as_writer.post(address, sent(entry, law, status="published")))
    assert "the last edit is yours" in page
    assert Entry.objects.get().status == "draft"


def test_editing_many_together_does_not_move_a_published_one_in(as_writer: Client, editor: User, law: Category) -> None:
    entry = write(as_writer, Category.objects.create(name="Plain"), status="published")
    outcome, _ = bulk.write([entry.pk], bulk.Edit(category=law), editor)
    assert outcome.changed == []
    assert "asks for four eyes" in next(iter(outcome.refused))


def test_in_other_categories_an_editor_publishes_alone(as_writer: Client) -> None:
    write(as_writer, Category.objects.create(name="Plain"), status="published")
    assert Entry.objects.published().count() == 1


def test_the_form_says_beforehand_who_publishes(as_writer: Client, as_reviewer: Client, law: Category) -> None:
    entry = write(as_writer, law)
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    assert "the last edit is yours" in text(as_writer.get(address))
    assert "somebody else wrote this" in text(as_reviewer.get(address))


# Who writes drafts only


def test_who_may_not_publish_neither_puts_up_nor_takes_down(db: None, law: Category) -> None:
    user = User.objects.create_user("drafter", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_entry"))
    plain = Category.objects.create(name="Plain")
    draft = Entry(question="a", answer="b", category=plain)
    shown = Entry(question="a", answer="b", category=plain, status="published")
    assert "You may write drafts" in objection(user, shown, None)
    assert "You may write drafts" in objection(user, shown, draft)
    assert "ask somebody who publishes" in objection(user, draft, shown)
    assert objection(user, draft, None) == ""
    assert objection(None, shown, draft) == ""
