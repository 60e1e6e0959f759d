"""Who may publish what: the right to, and where a category asks for four eyes, another person than the writer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from faq.models import Category, Entry, PendingEdit

# What askers read, or find it by. Dates and tags are no text: nobody has to read them twice.
TEXT = ("question", "answer", "variants", "language", "category_id")
Text = tuple[Any, ...]
MAY_NOT = "You may write drafts, and not publish: keep the status Draft."


def objection(user: Any, after: Entry, before: Entry | None) -> str:
    """Why this user may not write the entry so, as a sentence; blank when nothing speaks against it.

    `before` is the stored row, None for a new entry. Without a user it is the system, or somebody in a shell.
    """
    if user is None or after.status != Entry.Status.PUBLISHED:
        return "" if user is None else _taking_offline(user, before)
    rewritten = before is None or text_of(after) != text_of(before)
    if not rewritten and before is not None and before.status == Entry.Status.PUBLISHED:
        return ""
    if not user.has_perm("faq.publish_entry"):
        return MAY_NOT
    if (category := guarding(after, before)) is None:
        return ""
    if waits(user, after, before):
        where = f"The category {category} asks for four eyes"
        return f"{where}: change this entry on its own page, where the edit waits for another person to publish it."
    writer = user.pk if rewritten or before is None else writers([before.pk]).get(before.pk)
    return _second_pair(user, after, writer)


def waits(user: Any, after: Entry, before: Entry | None) -> bool:
    """Whether this is an edit that another person publishes, while askers go on reading what is there."""
    if user is None or before is None or {after.status, before.status} != {Entry.Status.PUBLISHED}:
        return False
    return text_of(after) != text_of(before) and guarding(after, before) is not None


def guarding(after: Entry, before: Entry | None) -> Category | None:
    """The category that asks for four eyes: where the entry is to be, or where it is what askers read now."""
    if after.category.four_eyes:
        return after.category
    if before is not None and before.status == Entry.Status.PUBLISHED and before.category.four_eyes:
        return before.category
    return None


def objections(user: Any, entries: Sequence[Entry], status: str) -> dict[int, str]:
    """The same for giving stored entries another status: the reason by the number of each that may not have it."""
    if user is None:
        return {}
    if status != Entry.Status.PUBLISHED:
        return {entry.pk: reason for entry in entries if (reason := _taking_offline(user, entry))}
    if not user.has_perm("faq.publish_entry"):
        return {entry.pk: MAY_NOT for entry in entries}
    guarded = [entry for entry in entries if entry.category.four_eyes]
    wrote = writers([entry.pk for entry in guarded])
    return {entry.pk: reason for entry in guarded if (reason := _second_pair(user, entry, wrote.get(entry.pk)))}


def writers(pks: Collection[int]) -> dict[int, int | None]:
    """Who last changed the text of each of these entries; None where it was the system."""
    history = Entry.history.filter(id__in=pks).order_by("id", "-history_date", "-history_id")
    newest: dict[int, Text] = {}
    found: dict[int, int | None] = {}
    settled: set[int] = set()
    for pk, user_id, *values in history.values_list("id", "history_user_id", *TEXT).iterator():
        text = _comparable(values)
        if newest.setdefault(pk, text) != text:
            settled.add(pk)
        if pk not in settled:
            found[pk] = user_id
    return found


def text_of(entry: Entry | PendingEdit) -> Text:
    return _comparable([getattr(entry, name) for name in TEXT])


def _comparable(values: Iterable[Any]) -> Text:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _taking_offline(user: Any, before: Entry | None) -> str:
    """What may not be put in front of askers, may not be taken from them either."""
    if before is None or before.status != Entry.Status.PUBLISHED or user.has_perm("faq.publish_entry"):
        return ""
    return "This entry is published, and you may only write drafts: ask somebody who publishes."


def _second_pair(user: Any, entry: Entry, writer: int | None) -> str:
    where = f"The category {entry.category} asks for four eyes"
    if writer == user.pk:
        return f"{where}, and the last edit is yours: keep it as a draft, and a reviewer other than you can publish it."
    if not user.has_perm("faq.review_entry"):
        return f"{where}: keep it as a draft, and a reviewer who did not write it can publish it."
    return ""
