"""Edits that wait, in the console: kept by the form, shown with their words, and published by another person."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from console.models import AuditEvent
from faq.models import Category, Entry, PendingEdit
from tests.conftest import InRole
from tests.console.test_entries_admin import LIST, text
from tests.console.test_four_eyes import as_reviewer, as_writer, law, save, sent

pytestmark = pytest.mark.django_db
__all__ = ["as_reviewer", "as_writer", "law"]  # fixtures


@pytest.fixture
def entry(law: Category) -> Entry:
    return Entry.objects.create(
        question="May I?", answer="Yes you may", category=law, status="published", external_id="may-i"
    )


@pytest.fixture
def edit(as_writer: Client, entry: Entry) -> PendingEdit:
    save(as_writer, entry, answer="No you may not", status="published")
    return PendingEdit.objects.get()


def form(client: Client, entry: Entry, query: str = "") -> Any:
    return client.get(reverse("admin:faq_entry_change", args=[entry.pk]) + query, follow=True)


def step(name: str, edit: PendingEdit) -> str:
    return reverse(f"admin:faq_entry_edit_{name}", args=[edit.pk])


def test_the_form_keeps_the_edit_and_says_so(as_writer: Client, entry: Entry) -> None:
    page = save(as_writer, entry, answer="No you may not", status="published")
    assert "Your edit waits for another person to publish it." in page
    assert "was changed successfully" not in page
    assert (entry.answer, entry.status) == ("Yes you may", "published")
    assert entry.history.count() == 1  # nothing was changed yet
    event = AuditEvent.objects.latest("pk")
    assert (event.verb, event.actor_name) == ("proposed", "editor")
    assert (event.before, event.after) == ({"answer": "Yes you may"}, {"answer": "No you may not"})


def test_tags_are_saved_at_once(as_writer: Client, entry: Entry) -> None:
    page = save(as_writer, entry, answer="No", status="published", tags="new", review_date="2030-01-31")
    assert "Tags and review date are no text: they were saved." in page
    assert (entry.answer, entry.tags, str(entry.review_date)) == ("Yes you may", ["new"], "2030-01-31")
    assert [event.verb for event in AuditEvent.objects.filter(kind="faq.entry")] == ["changed", "proposed"]


def test_it_is_shown_word_by_word_with_what_one_may_do(
    as_writer: Client, as_reviewer: Client, entry: Entry, edit: PendingEdit
) -> None:
    mine, theirs = form(as_writer, entry), form(as_reviewer, entry)
    assert "Your edit waits for another person" in text(mine)
    assert "An edit by editor waits for another person" in text(theirs)
    assert "removed: Yes you may" not in text(theirs)  # by words, not as a whole
    assert '<del class="diff-removed"><span class="sr-only">removed: </span>Yes' in theirs.content.decode()
    links = {name: step(name, edit) for name in ("publish", "dismiss", "withdraw")}
    assert [name for name, link in links.items() if link in mine.content.decode()] == ["withdraw"]
    assert [name for name, link in links.items() if link in theirs.content.decode()] == ["publish", "dismiss"]


def test_the_dialog_names_the_entry_and_a_post_publishes(as_reviewer: Client, entry: Entry, edit: PendingEdit) -> None:
    dialog = text(as_reviewer.get(step("publish", edit)))
    for part in ("Publish editor's edit?", "Entry “May I?”", "by editor on", "Changes Answer", "within seconds"):
        assert part in dialog.replace("&#x27;", "'")
    entry.refresh_from_db()
    assert entry.answer == "Yes you may"
    assert "Published: “May I?”." in text(as_reviewer.post(step("publish", edit), follow=True))
    entry.refresh_from_db()
    assert entry.answer == "No you may not"
    event = AuditEvent.objects.latest("pk")
    assert (event.verb, event.actor_name, event.object_id) == ("published", "reviewer", str(entry.pk))
    assert event.before == {"answer": "Yes you may"}
    assert event.after == {"act": "Publish", "answer": "No you may not"}
    history = text(as_reviewer.get(reverse("admin:faq_entry_history", args=[entry.pk])))
    assert "written by editor, published by reviewer" in history


def test_its_author_does_not_publish_it(as_writer: Client, client: Client, entry: Entry, edit: PendingEdit) -> None:
    assert as_writer.post(step("publish", edit)).status_code == 403
    boss = User.objects.create_superuser("boss")
    PendingEdit.objects.update(author=boss)
    client.force_login(boss)
    assert "The edit is yours" in text(client.get(step("publish", edit)))
    assert "Nothing was changed. The edit is yours" in text(client.post(step("publish", edit), follow=True))
    assert Entry.objects.get().answer == "Yes you may"
    assert not AuditEvent.objects.filter(verb="published").exists()


def test_an_edit_that_would_overwrite_is_refused_in_form_dialog_and_post(
    as_reviewer: Client, entry: Entry, edit: PendingEdit
) -> None:
    Entry.objects.filter(pk=entry.pk).update(answer="It depends")
    page = form(as_reviewer, entry)
    assert "publishing would overwrite that" in text(page)
    assert step("publish", edit) not in page.content.decode()
    assert "publishing would overwrite that" in text(as_reviewer.get(step("publish", edit)))
    assert "publishing would overwrite that" in text(as_reviewer.post(step("publish", edit), follow=True))
    assert Entry.objects.get().answer == "It depends"


def test_one_goes_on_with_it_and_saves_it_anew(as_reviewer: Client, entry: Entry, edit: PendingEdit) -> None:
    assert "An edit by editor waits already" in save(as_reviewer, entry, answer="Never", status="published")
    query = f"?edit={edit.pk}"
    page = form(as_reviewer, entry, query)
    assert ">No you may not</textarea>" in page.content.decode().replace("\n", "")
    address = reverse("admin:faq_entry_change", args=[entry.pk]) + query
    as_reviewer.post(address, sent(entry, entry.category, answer="Never", status="published"))
    second = PendingEdit.objects.get()
    assert (second.answer, second.author_name) == ("Never", "reviewer")
    assert "waits no longer" in text(as_reviewer.get(step("dismiss", edit)))


def test_its_author_goes_on_with_it_and_does_not_overwrite_it(
    as_writer: Client, entry: Entry, edit: PendingEdit
) -> None:
    page = form(as_writer, entry, "?_changelist_filters=q%3Dpark")
    assert page.redirect_chain == [(f"?_changelist_filters=q%3Dpark&edit={edit.pk}", 302)]
    assert "No you may not</textarea>" in page.content.decode()
    assert "Yes you may</textarea>" in form(as_writer, entry, "?edit=").content.decode()
    assert "An edit of yours waits already" in save(as_writer, entry, question="May I go?", status="published")
    assert PendingEdit.objects.get() == edit


def test_an_edit_that_says_what_is_published_is_withdrawn_instead(
    as_writer: Client, entry: Entry, edit: PendingEdit
) -> None:
    address = reverse("admin:faq_entry_change", args=[entry.pk])
    same = sent(entry, entry.category, answer="Yes you may", status="published", tags="x")
    page = as_writer.post(f"{address}?edit={edit.pk}", same)
    assert "This is what is published already: withdraw or dismiss the edit instead." in text(page)
    assert as_writer.post(f"{address}?edit=4711", same).status_code == 302  # tags alone go on with nothing
    assert PendingEdit.objects.get() == edit


def test_it_is_withdrawn_or_dismissed_and_written_down(
    as_writer: Client, as_reviewer: Client, entry: Entry, edit: PendingEdit
) -> None:
    assert "withdraw it" in text(as_reviewer.get(step("withdraw", edit)))
    assert as_writer.get(step("dismiss", edit)).status_code == 403
    as_reviewer.post(step("withdraw", edit))
    assert PendingEdit.objects.exists()
    assert "Dropped: the edit of “May I?”." in text(as_reviewer.post(step("dismiss", edit), follow=True))
    assert AuditEvent.objects.latest("pk").verb == "dismissed"
    save(as_writer, entry, answer="No", status="published")
    as_writer.post(step("withdraw", PendingEdit.objects.get()))
    assert not PendingEdit.objects.exists()
    event = AuditEvent.objects.latest("pk")
    assert (event.verb, event.before["answer"]) == ("withdrawn", "No")
    assert Entry.objects.get().answer == "Yes you may"


def test_restoring_an_earlier_version_waits_as_well(as_writer: Client, entry: Entry) -> None:
    first = entry.history.first()
    Entry.objects.filter(pk=entry.pk).update(answer="Later")
    address = reverse("admin:faq_entry_simple_history", args=[entry.pk, first.pk])
    page = as_writer.post(address, sent(entry, entry.category, answer="Yes you may", status="published"), follow=True)
    assert "Your edit waits" in text(page)
    assert (Entry.objects.get().answer, PendingEdit.objects.get().answer) == ("Later", "Yes you may")


def test_the_list_shows_and_filters_them(as_writer: Client, as_reviewer: Client, edit: PendingEdit) -> None:
    Entry.objects.create(question="Else?", answer="x", category=edit.category, status="published")
    assert "Published, edit waits" in text(as_writer.get(LIST))
    found = {
        who: as_writer.get(f"{LIST}?waiting={who}").context["cl"].result_count for who in ("any", "mine", "others")
    }
    assert found == {"any": 1, "mine": 1, "others": 0}
    assert as_reviewer.get(f"{LIST}?waiting=others").context["cl"].result_count == 1
    edit.delete()
    assert "No edit waits." in text(as_reviewer.get(f"{LIST}?waiting=any"))


def test_the_dashboard_tells_reviewers_but_not_whoever_wrote_it(
    as_writer: Client, as_reviewer: Client, edit: PendingEdit, in_role: InRole
) -> None:
    home = reverse("admin:index")
    assert "1 edit waits to be published" in text(as_reviewer.get(home))
    assert "waits to be published" not in text(as_writer.get(home))
    PendingEdit.objects.update(author=User.objects.get(username="reviewer"))
    assert "waits to be published" not in text(as_reviewer.get(home))


def test_archiving_an_entry_leaves_its_edit_waiting(as_writer: Client, as_reviewer: Client, edit: PendingEdit) -> None:
    chosen = {"action": "archive", "_selected_action": [edit.entry_id]}
    as_writer.post(LIST, chosen)
    assert "The entry is archived now" in text(as_reviewer.post(step("publish", edit), follow=True))
    as_reviewer.post(LIST, {**chosen, "action": "publish"})
    as_reviewer.post(step("publish", edit))
    assert Entry.objects.get().answer == "No you may not"
