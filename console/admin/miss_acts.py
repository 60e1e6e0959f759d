"""What can be done with a group of misses. Only by POST; each is checked, done and written down in one go.

Rights: `rag.change_missgroup`; to add a variant also `faq.change_entry`, and whatever publishing asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from console import audit
from console.admin import acts
from console.admin.acts import Refused, started
from faq import pending, publishing
from faq.models import Entry
from faq.transfer.resource import EntryResource
from rag.errors import ServiceUnavailable
from rag.index import jobs
from rag.models import Job, MissedQuestion, MissGroup
from rag.quality import replaying

WEEK = timedelta(days=7)
SNOOZES = {"week": ("a week", WEEK), "month": ("a month", timedelta(days=30))}
KEPT = ("state", "owner", "snoozed_until", "closed_at")

Act = Callable[[HttpRequest, MissGroup], str]


@never_cache
@require_POST
def act(request: HttpRequest, group_id: int, verb: str) -> HttpResponse:
    """Raises PermissionDenied; what cannot be done is said on the page that comes next."""
    if not request.user.has_perm("rag.change_missgroup"):
        raise PermissionDenied
    if verb not in ACTS:
        raise Http404
    try:
        with transaction.atomic():
            group = get_object_or_404(MissGroup.objects.select_for_update(of=("self",)), pk=group_id)
            before = audit.values_of(group, KEPT)
            told = ACTS[verb](request, group)
            _note(request, group, before)
    except (Refused, ServiceUnavailable) as refused:
        messages.error(request, f"Nothing was changed. {str(refused)[:1].upper()}{str(refused)[1:]}")
    else:
        messages.success(request, told)
    return HttpResponseRedirect(_back(request, group_id))


@never_cache
@require_POST
def group_now(request: HttpRequest) -> HttpResponse:
    """Ask for the job that the sweep asks for every few minutes by itself."""
    if not request.user.has_perm("rag.change_missgroup"):
        raise PermissionDenied
    job = jobs.request(Job.Kind.MISSES, user=request.user)
    audit.record(request, audit.Verb.JOB_ASKED, job)
    messages.success(request, started(job))
    return HttpResponseRedirect(reverse("admin:rag_missgroup_changelist"))


@acts.act("rag.change_missgroup", "admin:rag_missgroup_changelist")
def put_aside(request: HttpRequest, group_id: int) -> acts.Act:
    """The one act on a group that hides what people ask: so it says how many, and how to undo it."""
    group = get_object_or_404(MissGroup, pk=group_id)

    def do() -> str:
        _set(group, state=MissGroup.State.OUT_OF_SCOPE, snoozed_until=None, closed_at=timezone.now())
        return "Out of scope. What is asked like it joins this group quietly; it can be opened again."

    facts = [
        ("Group", f"“{group.question}”"),
        ("Holds", f"{group.asks:,} asks in {group.wordings:,} wordings; what is asked like it later joins it quietly"),
        ("Askers", "They notice nothing: they are offered the closest questions, as before."),
        ("Way back", "Open it again from the list of what is out of scope."),
    ]
    open_now = group.state in (MissGroup.State.OPEN, MissGroup.State.SNOOZED)
    why_not = [] if open_now else [f"This group is {group.get_state_display().lower()} already."]
    verb = audit.Verb.CHANGED
    return acts.Act("Is this out of scope?", "Out of scope", facts, do, why_not=why_not, verb=verb, on=group)


def _note(request: HttpRequest, group: MissGroup, before: dict[str, Any]) -> None:
    after = audit.values_of(MissGroup.objects.get(pk=group.pk), KEPT)
    if before != after:
        audit.record(request, audit.Verb.CHANGED, group, before=before, after=after)


def _take(request: HttpRequest, group: MissGroup) -> str:
    _set(group, owner=request.user)
    return "It is yours now."


def _leave(request: HttpRequest, group: MissGroup) -> str:
    _set(group, owner=None)
    return "It is nobody's now."


def _snooze(request: HttpRequest, group: MissGroup) -> str:
    if group.state == MissGroup.State.ANSWERED:
        raise Refused("it is answered: there is nothing to put off.")
    words, span = SNOOZES.get(request.POST.get("for", ""), SNOOZES["week"])
    _set(group, state=MissGroup.State.SNOOZED, snoozed_until=timezone.now() + span)
    return f"Put off for {words}. It comes back by itself, with everything that is asked meanwhile."


def _reopen(request: HttpRequest, group: MissGroup) -> str:
    _set(group, state=MissGroup.State.OPEN, snoozed_until=None, closed_at=None)
    return "Open again."


def _replay(request: HttpRequest, group: MissGroup) -> str:
    found = replaying.replay(group)
    ending = " The group is closed." if found.closes and group.state in (MissGroup.State.OPEN, "snoozed") else ""
    return f"Asked again: now answers {found.answered} of {found.asks}.{ending}"


def _add_variant(request: HttpRequest, group: MissGroup) -> str:
    if not request.user.has_perm("faq.change_entry"):
        raise PermissionDenied
    number = request.POST.get("question", "")
    wording = group.question
    if number.isdecimal():
        wording = get_object_or_404(MissedQuestion, pk=int(number), group=group).question
    entry, told = add_variant(request, request.POST.get("entry", ""), wording)
    _set(group, entry_id=entry.pk)
    return f"{told} Once that is indexed, the group is asked again by itself."


def add_variant(request: HttpRequest, entry_id: str, wording: str) -> tuple[Entry, str]:
    """Give an entry another wording, as a person in the form would, and say so. Raises Refused, and Http404."""
    entry = get_object_or_404(Entry.objects.select_related("category"), pk=int(entry_id) if entry_id.isdecimal() else 0)
    before = Entry.objects.get(pk=entry.pk)
    try:
        entry.variants = EntryResource().clean_cell("variants", [*entry.variants, wording])
    except ValueError as error:
        raise Refused(f"It cannot be a variant: it {error}.") from error
    if len(entry.variants) == len(before.variants):
        raise Refused("The entry has this wording already.")
    if publishing.waits(request.user, entry, before):
        return entry, _let_wait(request, entry, before, wording)
    if objection := publishing.objection(request.user, entry, before):
        raise Refused(objection)
    entry._change_reason = "a question that was asked, added as a variant"  # type: ignore[attr-defined]  # how simple_history is told
    with transaction.atomic():
        entry.save()
        _note_variants(request, audit.Verb.CHANGED, before, entry)
    return entry, f"“{wording}” is a variant of “{entry.question}” now."


def _let_wait(request: HttpRequest, entry: Entry, before: Entry, wording: str) -> str:
    try:
        with transaction.atomic():
            pending.keep(entry, request.user)
            _note_variants(request, audit.Verb.PROPOSED, before, entry)
    except pending.NotNow as reason:
        raise Refused(str(reason)) from reason
    return f"“{wording}” as a variant of “{entry.question}” waits for another person to publish it."


def _note_variants(request: HttpRequest, verb: str, before: Entry, after: Entry) -> None:
    was, now = ({"variants": "\n".join(one.variants)} for one in (before, after))
    audit.record(request, verb, after, before=was, after=now)


def _set(group: MissGroup, **values: Any) -> None:
    MissGroup.objects.filter(pk=group.pk).update(**values)


def _back(request: HttpRequest, group_id: int) -> str:
    """Where the button was, filters and all; nothing but a page of this console."""
    said = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(said, allowed_hosts=None, require_https=request.is_secure())
    if safe and said.startswith(reverse("admin:rag_missgroup_changelist")):
        return said
    return reverse("admin:rag_missgroup_change", args=[group_id])


ACTS: dict[str, Act] = {
    "take": _take,
    "leave": _leave,
    "snooze": _snooze,
    "reopen": _reopen,
    "replay": _replay,
    "variant": _add_variant,
}
