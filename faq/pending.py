"""Edits of published entries that wait for another person, where a category asks for four eyes.

Askers go on reading what is published. An edit that waits is never rewritten: whoever goes on with it puts another in
its place, so that what somebody has read is what they publish.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from faq.models import Entry, PendingEdit
from faq.publishing import TEXT, text_of
from faq.transfer.writing import REASON_LENGTH

GONE = "This edit waits no longer: somebody has published, dismissed or replaced it."


class NotNow(Exception):
    """An edit cannot be kept, published or dropped; the sentence says why, and what to do instead."""


def of(entry: Entry) -> PendingEdit | None:
    return PendingEdit.objects.select_related("category", "author").filter(entry_id=entry.pk).first()


def among(pks: Collection[int]) -> set[int]:
    """Those of these entries of which an edit waits."""
    return set(PendingEdit.objects.filter(entry_id__in=pks).values_list("entry_id", flat=True))


def for_another(user: Any) -> QuerySet[PendingEdit]:
    """Those that this user did not write, and so may publish."""
    return PendingEdit.objects.exclude(author_id=user.pk)


def apply(edit: PendingEdit, entry: Entry) -> None:
    """Give the entry in hand the text of the edit; nothing is written."""
    entry.category = edit.category
    for name in TEXT:
        setattr(entry, name, getattr(edit, name))


def in_the_way(entry: Entry, user: Any, goes_on_with: str) -> str:
    """Why this user cannot have an edit of this entry wait; blank where they can. One edit of an entry waits."""
    edit = of(entry)
    if edit is None or str(edit.pk) == goes_on_with:
        return ""
    whose, first = f"by {edit.author_name}", "have it published or dismissed"
    if edit.author_id == user.pk:
        whose, first = "of yours", "withdraw it"
    return f"An edit {whose} waits already: go on with that one, on the entry's page, or {first} first."


def is_undone(after: Entry, stored: Entry, goes_on_with: str) -> bool:
    """Whether somebody went on with the edit that waits until it said what is published."""
    edit = of(stored) if goes_on_with and text_of(after) == text_of(stored) else None
    return edit is not None and str(edit.pk) == goes_on_with and text_of(edit) != text_of(stored)


@transaction.atomic
def keep(after: Entry, user: Any, goes_on_with: str = "") -> PendingEdit:
    """Have this text wait, in place of the edit that it goes on with. Raises NotNow if another one waits."""
    entry = Entry.objects.select_for_update(of=("self",)).get(pk=after.pk)
    if reason := in_the_way(entry, user, goes_on_with):
        raise NotNow(reason)
    edit = PendingEdit(entry=entry, author=user, author_name=user.get_username(), base_hash=entry.text_hash)
    for name in TEXT:
        setattr(edit, name, getattr(after, name))
    former = of(entry)
    if former is not None:  # which this one goes on with
        if text_of(former) == text_of(edit):  # saving without a change makes nobody the writer
            edit.author, edit.author_name = former.author, former.author_name
        former.delete()
    edit.save()
    return edit


def objection(user: Any, edit: PendingEdit, entry: Entry) -> str:
    """Why this user may not publish the edit now, as a sentence; blank when nothing speaks against it."""
    if edit.author_id == user.pk:
        return "The edit is yours: another person publishes it, or you withdraw it."
    if not (user.has_perm("faq.review_entry") and user.has_perm("faq.publish_entry")):
        return "A reviewer who did not write it can publish it."
    if entry.status != Entry.Status.PUBLISHED:
        return f"The entry is {entry.get_status_display().lower()} now: publish it first, or change its text itself."
    if entry.text_hash != edit.base_hash:
        return (
            "The entry was changed after this edit was written, and publishing would overwrite that: go on with the"
            " edit and save it again, or dismiss it."
        )
    asked = Entry.objects.filter(question__iexact=edit.question).exclude(pk=entry.pk)
    if edit.question != entry.question and (twin := asked.first()):
        return f"The entry {twin.external_id} asks this by now: go on with the edit and ask differently."
    return ""


@transaction.atomic
def publish(pk: int, user: Any) -> Entry:
    """Make the edit what askers read. Raises NotNow with the objection. Who wrote it stays its writer."""
    edit, entry = _locked(pk)
    if reason := objection(user, edit, entry):
        raise NotNow(reason)
    apply(edit, entry)
    entry._history_user = edit.author  # type: ignore[attr-defined]  # how simple_history is told
    reason = f"written by {edit.author_name}, published by {user.get_username()}"
    entry._change_reason = reason[:REASON_LENGTH]  # type: ignore[attr-defined]  # as above
    edit.delete()
    entry.save()
    return entry


@transaction.atomic
def drop(pk: int, user: Any) -> Entry:
    """Withdraw one's own edit, or as a reviewer dismiss another's. Raises NotNow for whoever may not."""
    edit, entry = _locked(pk)
    if edit.author_id != user.pk and not user.has_perm("faq.review_entry"):
        raise NotNow(f"The edit is {edit.author_name}'s: they can withdraw it, and a reviewer can dismiss it.")
    edit.delete()
    return entry


def _locked(pk: int) -> tuple[PendingEdit, Entry]:
    """The edit and its entry, whose row is what everybody waits for. Raises NotNow for one that is gone."""
    entries = Entry.objects.select_for_update(of=("self",)).select_related("category")
    entry = entries.filter(pk__in=PendingEdit.objects.filter(pk=pk).values("entry_id")).first()
    edit = PendingEdit.objects.select_related("category", "author").filter(pk=pk).first()
    if entry is None or edit is None:
        raise NotNow(GONE)
    return edit, entry
