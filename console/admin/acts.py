"""Acts: steps that cost or change something. A GET tells what will happen, and only a POST does it.

Opened by a link with `data-act`, an act is a dialog; opened by itself, say from the command palette, it is a page. Its
permission is checked here, on the server, for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from console import audit
from console.models import AuditEvent
from rag.models import Job


class Refused(Exception):
    """The act cannot be done now; the sentence says why, and what to do instead."""


@dataclass(frozen=True)
class Act:
    """What the dialog says, and what a POST does: it returns the sentence that is shown afterwards."""

    title: str
    button: str
    facts: list[tuple[str, str]]  # what is touched, how many, what askers notice, the way back
    do: Callable[[], str]
    danger: bool = False
    typed: str = ""  # to be typed in before something that has no way back
    why_not: list[str] = field(default_factory=list)  # then there is nothing to confirm
    verb: str = AuditEvent.Verb.JOB_ASKED  # what is written into the audit log
    on: models.Model | str = ""  # what it is done to; the title's words where there is no object
    before: audit.Values = field(default_factory=dict)  # written into the audit log as well
    after: audit.Values = field(default_factory=dict)


Prepare = Callable[..., Act]
View = Callable[..., HttpResponse]


def act(permission: str, back_to: str) -> Callable[[Prepare], View]:
    """Make a view of a function that prepares an act. Raises PermissionDenied for whoever lacks the permission."""

    def made(prepare: Prepare) -> View:
        @never_cache
        @require_http_methods(["GET", "HEAD", "POST"])
        def view(request: HttpRequest, **arguments: int) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            back = _back(request, back_to)
            prepared = prepare(request, **arguments)
            return _done(request, prepared, back) if request.method == "POST" else _asked(request, prepared, back)

        return view

    return made


def started(job: Job) -> str:
    """Never "done": a job has only been asked for."""
    link = reverse("admin:rag_job_change", args=[job.pk])
    return format_html(
        'Started: <a href="{}" class="font-semibold underline">job #{}</a>, {}.',
        link,
        job.pk,
        job.get_kind_display().lower(),
    )


def _asked(request: HttpRequest, prepared: Act, back: str, fault: str = "") -> HttpResponse:
    context = {"act": prepared, "back": back, "action": request.path, "fault": fault, "title": prepared.title}
    if "X-Dialog" in request.headers:
        return TemplateResponse(request, "console/parts/act.html", context)
    return TemplateResponse(
        request, "console/act.html", admin.site.each_context(request) | context | {"title": prepared.button}
    )


def _done(request: HttpRequest, prepared: Act, back: str) -> HttpResponse:
    if prepared.why_not:
        messages.error(request, f"Nothing was changed. {' '.join(prepared.why_not)}")
        return HttpResponseRedirect(back)
    if prepared.typed and request.POST.get("typed", "").strip() != prepared.typed:
        return _asked(request, prepared, back, fault=f"Type {prepared.typed} to go on. Nothing was changed.")
    try:
        with transaction.atomic():  # a job is enqueued only once it is also written down who asked for it
            after = {"act": prepared.button, **prepared.after}
            audit.record(request, prepared.verb, prepared.on or prepared.title, before=prepared.before, after=after)
            told = prepared.do()
    except Refused as refused:
        messages.error(request, f"Nothing was changed. {refused}")
    else:
        messages.success(request, told)
    return HttpResponseRedirect(back)


def _back(request: HttpRequest, otherwise: str) -> str:
    """Where the act was opened, filters and all; nothing but a page of this console."""
    said = request.POST.get("back") or request.headers.get("X-From", "")
    home = reverse("admin:index")
    safe = url_has_allowed_host_and_scheme(said, allowed_hosts=None, require_https=request.is_secure())
    return said if said.startswith(home) and safe else reverse(otherwise)
