"""Edits of published entries that wait for another person: kept from the form, published, withdrawn, dismissed.

Rights: `faq.change_entry` to write one and to withdraw one's own; `faq.review_entry` to publish or dismiss another's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from console import audit
from console.admin.acts import Act, Refused, act
from console.admin.audited import Audited
from console.admin.entry_form import EntryForm
from console.admin.entry_history import changes
from console.admin.pages import page
from faq import pending
from faq.models import Entry, PendingEdit
from faq.publishing import TEXT

LIST = "admin:faq_entry_changelist"
WRITTEN = ("category", "question", "answer", "variants", "language")
KEPT = "Your edit waits for another person to publish it. Until then askers go on reading what is published."
REST = " Tags and review date are no text: they were saved."
Verb = audit.Verb


class EntryEdits(Audited):
    """Put before what saves: the text of an edit that waits is kept aside, and only the rest is saved."""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One's own edit is what one goes on with, so that nobody overwrites it by the form of what is published."""
        if request.method == "GET" and "edit" not in request.GET and object_id.isdecimal() and len(object_id) < 18:
            mine = PendingEdit.objects.filter(entry_id=object_id, author_id=request.user.pk).first()
            if mine is not None:
                query = request.GET.copy()
                query["edit"] = str(mine.pk)
                return HttpResponseRedirect(f"?{query.urlencode()}")
        response: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return response

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With `?edit=` and the number of the edit that waits, the form is filled with that."""
        entry = super().get_object(request, object_id, from_field)
        if entry is not None and request.method == "GET" and "edit" in request.GET:
            edit = pending.of(entry)
            if edit is not None and str(edit.pk) == request.GET["edit"]:
                pending.apply(edit, entry)
        return entry

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **options)
        form.goes_on_with = request.GET.get("edit", "")
        return form

    def save_model(self, request: HttpRequest, obj: Entry, form: EntryForm, change: bool) -> None:
        if not form.waits or form.stored is None:
            super().save_model(request, obj, form, change)
            return
        told = _keep(request, obj, form)
        rest = [name for name in ("tags", "review_date") if getattr(obj, name) != getattr(form.stored, name)]
        obj.category = form.stored.category
        for name in TEXT:
            setattr(obj, name, getattr(form.stored, name))
        if rest:
            super().save_model(request, obj, form, change)
        else:
            self.look_before(request, obj)
        request._edit_is_told = told + (REST if rest else "")  # type: ignore[attr-defined]  # for message_user

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **options: Any) -> None:
        """Django would say that the entry was changed."""
        super().message_user(request, getattr(request, "_edit_is_told", message), *args, **options)


def _keep(request: HttpRequest, obj: Entry, form: EntryForm) -> str:
    before = audit.values_of(form.stored, WRITTEN) if form.stored else {}
    try:
        edit = pending.keep(obj, request.user, form.goes_on_with)
    except pending.NotNow as reason:  # somebody was quicker than this form
        return f"Your edit was not kept. {reason}"
    audit.record(request, Verb.PROPOSED, obj, before=before, after=audit.values_of(edit, WRITTEN))
    return KEPT


@page("faq/entry/edits/<int:pk>/publish/", "faq_entry_edit_publish")
@act("faq.review_entry", LIST)
def publish(request: HttpRequest, pk: int) -> Act:
    edit = _edit(pk)
    if edit is None:
        return _gone("Publish an edit")

    def do() -> str:
        entry = _done(pending.publish, pk, request.user)
        return f"Published: “{entry.question}”. The index follows by itself."

    facts = [
        *_facts(edit),
        ("Askers", "They are answered by the new text as soon as it is indexed, within seconds."),
        ("Way back", "Restore the version before it, from the entry's history; that waits for another person, too."),
    ]
    why_not = [reason] if (reason := pending.objection(request.user, edit, edit.entry)) else []
    before, after = audit.values_of(edit.entry, WRITTEN), audit.values_of(edit, WRITTEN)
    title = f"Publish {edit.author_name}'s edit?"
    return Act(
        title, "Publish", facts, do, why_not=why_not, verb=Verb.PUBLISHED, on=edit.entry, before=before, after=after
    )


@page("faq/entry/edits/<int:pk>/dismiss/", "faq_entry_edit_dismiss")
@act("faq.review_entry", LIST)
def dismiss(request: HttpRequest, pk: int) -> Act:
    edit = _edit(pk)
    why_not = ["The edit is yours: withdraw it."] if edit and edit.author_id == request.user.pk else []
    return _drop(request, edit, "Dismiss", Verb.DISMISSED, why_not)


@page("faq/entry/edits/<int:pk>/withdraw/", "faq_entry_edit_withdraw")
@act("faq.change_entry", LIST)
def withdraw(request: HttpRequest, pk: int) -> Act:
    edit = _edit(pk)
    mine = edit is None or edit.author_id == request.user.pk
    why_not = [] if mine else ["Somebody else wrote it: they can withdraw it, and a reviewer can dismiss it."]
    return _drop(request, edit, "Withdraw", Verb.WITHDRAWN, why_not)


def _drop(request: HttpRequest, edit: PendingEdit | None, button: str, verb: str, why_not: list[str]) -> Act:
    if edit is None:
        return _gone(f"{button} an edit")
    pk = edit.pk
    facts = [
        *_facts(edit),
        ("Askers", "They notice nothing: the entry stays published as it is."),
        ("Way back", "None: the audit log keeps what the edit said, and somebody would have to write it again."),
    ]

    def do() -> str:
        return f"Dropped: the edit of “{_done(pending.drop, pk, request.user).question}”."

    title = f"{button} {edit.author_name}'s edit?"
    said = audit.values_of(edit, WRITTEN)
    return Act(title, button, facts, do, danger=True, why_not=why_not, verb=verb, on=edit.entry, before=said)


def state_of(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    """For the banner above the form: the edit that waits, what it changes, and what this user can do about it."""
    edit = pending.of(entry)
    if edit is None:
        return {}
    mine = edit.author_id == request.user.pk
    reviews = request.user.has_perm("faq.review_entry")
    return {
        "edit": edit,
        "edit_changes": changes(entry, edit),
        "edit_objection": pending.objection(request.user, edit, entry),
        "edit_is_open": request.GET.get("edit") == str(edit.pk),
        "may_publish_edit": reviews and not mine,
        "may_withdraw_edit": mine,
    }


def _edit(pk: int) -> PendingEdit | None:
    return PendingEdit.objects.select_related("entry__category", "category", "author").filter(pk=pk).first()


def _facts(edit: PendingEdit) -> list[tuple[str, str]]:
    fields = ", ".join(title for title, _ in changes(edit.entry, edit)).capitalize()
    return [
        ("Entry", f"“{edit.entry.question}”"),
        ("Written", f"by {edit.author_name} on {timezone.localtime(edit.created_at):%Y-%m-%d at %H:%M}"),
        ("Changes", fields or "nothing any more"),
    ]


def _gone(title: str) -> Act:
    return Act(title, title, [], lambda: "", why_not=[pending.GONE])


def _done(step: Callable[[int, Any], Entry], pk: int, user: Any) -> Entry:
    try:
        return step(pk, user)
    except pending.NotNow as reason:
        raise Refused(str(reason)) from reason
