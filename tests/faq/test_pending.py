"""Edits that wait: kept aside, published by another, never over somebody's later text."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from faq import pending, versions
from faq.models import Category, Entry, PendingEdit
from faq.publishing import objection, waits, writers

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry(db: None) -> Entry:
    law = Category.objects.create(name="Law", four_eyes=True)
    return Entry.objects.create(question="May I?", answer="Yes", category=law, status="published")


def edited(entry: Entry, **changes: Any) -> Entry:
    after = Entry.objects.select_related("category").get(pk=entry.pk)
    for name, value in changes.items():
        setattr(after, name, value)
    return after


def stored(entry: Entry) -> Entry:
    return Entry.objects.select_related("category").get(pk=entry.pk)


def test_a_text_waits_and_tags_do_not(entry: Entry, editor: User) -> None:
    assert waits(editor, edited(entry, answer="No"), stored(entry))
    assert not waits(editor, edited(entry, tags=["x"]), stored(entry))
    assert not waits(editor, edited(entry, answer="No", status="draft"), stored(entry))
    assert not waits(None, edited(entry, answer="No"), stored(entry))


def test_a_published_entry_does_not_slip_out_of_its_category(entry: Entry, editor: User) -> None:
    """Moved into a category that asks for nothing it would be published as one likes."""
    plain = Category.objects.create(name="Plain")
    assert waits(editor, edited(entry, category=plain), stored(entry))
    assert "The category Law asks for four eyes" in objection(editor, edited(entry, category=plain), stored(entry))


def test_an_edit_waits_and_askers_notice_nothing(entry: Entry, editor: User) -> None:
    version = versions.current()
    edit = pending.keep(edited(entry, answer="No", variants=["Can I?"]), editor)
    assert (stored(entry).answer, stored(entry).variants, stored(entry).status) == ("Yes", [], "published")
    assert (edit.answer, edit.variants, edit.author_name) == ("No", ["Can I?"], "editor")
    assert versions.current() == version
    assert Entry.history.count() == 1


def test_another_person_publishes_it_and_the_writer_stays_the_writer(
    entry: Entry, editor: User, reviewer: User
) -> None:
    edit = pending.keep(edited(entry, answer="No"), editor)
    with pytest.raises(pending.NotNow, match="The edit is yours"):
        pending.publish(edit.pk, editor)
    assert stored(entry).answer == "Yes"
    pending.publish(edit.pk, reviewer)
    assert stored(entry).answer == "No"
    assert not PendingEdit.objects.exists()
    assert writers([entry.pk]) == {entry.pk: editor.pk}
    newest = Entry.history.first()
    assert newest.history_change_reason == "written by editor, published by reviewer"


def test_a_reviewer_has_two_eyes_as_well(entry: Entry, reviewer: User, operator: User) -> None:
    for user in (reviewer, operator):
        edit = pending.keep(edited(entry, answer="No"), user)
        with pytest.raises(pending.NotNow, match="The edit is yours"):
            pending.publish(edit.pk, user)
        edit.delete()


def test_another_editor_is_no_reviewer(entry: Entry, editor: User, in_role: Any) -> None:
    edit = pending.keep(edited(entry, answer="No"), editor)
    second = in_role("editor", "second")
    with pytest.raises(pending.NotNow, match="A reviewer who did not write it"):
        pending.publish(edit.pk, second)
    with pytest.raises(pending.NotNow, match="editor's"):
        pending.drop(edit.pk, second)
    assert PendingEdit.objects.exists()


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ({"answer": "Perhaps"}, "changed after this edit was written"),
        ({"status": "draft"}, "The entry is draft now"),
        ({"status": "archived"}, "The entry is archived now"),
    ],
)
def test_what_happened_since_is_not_overwritten(
    entry: Entry, editor: User, reviewer: User, since: dict[str, str], said: str
) -> None:
    edit = pending.keep(edited(entry, answer="No"), editor)
    Entry.objects.filter(pk=entry.pk).update(**since)
    with pytest.raises(pending.NotNow, match=said):
        pending.publish(edit.pk, reviewer)
    assert stored(entry).answer == since.get("answer", "Yes")
    assert PendingEdit.objects.exists()


def test_tags_and_dates_may_change_meanwhile(entry: Entry, editor: User, reviewer: User) -> None:
    edit = pending.keep(edited(entry, answer="No"), editor)
    Entry.objects.filter(pk=entry.pk).update(tags=["new"])
    pending.publish(edit.pk, reviewer)
    assert (stored(entry).answer, stored(entry).tags) == ("No", ["new"])


def test_a_question_that_another_entry_got_meanwhile_is_not_asked_twice(
    entry: Entry, editor: User, reviewer: User
) -> None:
    edit = pending.keep(edited(entry, question="Can I?"), editor)
    Entry.objects.create(question="can i?", answer="x", category=entry.category, external_id="twin")
    with pytest.raises(pending.NotNow, match="The entry twin asks this by now"):
        pending.publish(edit.pk, reviewer)


def test_one_edit_waits_and_whoever_goes_on_with_it_is_its_writer(entry: Entry, editor: User, reviewer: User) -> None:
    first = pending.keep(edited(entry, answer="No"), editor)
    with pytest.raises(pending.NotNow, match="An edit by editor waits already"):
        pending.keep(edited(entry, answer="Never"), reviewer)
    second = pending.keep(edited(entry, answer="Never"), reviewer, goes_on_with=str(first.pk))
    assert list(PendingEdit.objects.all()) == [second]
    assert second.author == reviewer
    with pytest.raises(pending.NotNow, match="waits no longer"):
        pending.publish(first.pk, reviewer)  # which was read, and is not what waits now


def test_going_on_without_a_change_makes_nobody_the_writer(entry: Entry, editor: User, reviewer: User) -> None:
    first = pending.keep(edited(entry, answer="No"), editor)
    Entry.objects.filter(pk=entry.pk).update(language="fr")
    second = pending.keep(edited(entry, answer="No", language="en"), reviewer, goes_on_with=str(first.pk))
    assert second.author == editor
    pending.publish(second.pk, reviewer)  # it has seen what there is now


def test_it_is_withdrawn_by_its_writer_and_dismissed_by_a_reviewer(entry: Entry, editor: User, reviewer: User) -> None:
    for user in (editor, reviewer):
        pending.drop(pending.keep(edited(entry, answer="No"), editor).pk, user)
        assert not PendingEdit.objects.exists()
    assert stored(entry).answer == "Yes"


def test_an_edit_outlives_its_writer_s_account(entry: Entry, editor: User, reviewer: User) -> None:
    edit = pending.keep(edited(entry, answer="No"), editor)
    editor.delete()
    pending.publish(edit.pk, reviewer)
    assert Entry.history.first().history_change_reason == "written by editor, published by reviewer"
    assert writers([entry.pk]) == {entry.pk: None}


def test_ones_own_edit_is_not_overwritten_unless_one_goes_on_with_it(entry: Entry, editor: User) -> None:
    first = pending.keep(edited(entry, answer="No"), editor)
    with pytest.raises(pending.NotNow, match="An edit of yours waits already"):
        pending.keep(edited(entry, question="Can I?"), editor)
    pending.keep(edited(entry, answer="Never"), editor, goes_on_with=str(first.pk))
    assert PendingEdit.objects.get().answer == "Never"
