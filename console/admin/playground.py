"""The playground: a question asked for trial, with other values where wanted, and two of these side by side.

Rights: `rag.view_receipt` to ask; `rag.add_case` to keep a question as a case; `faq.change_entry` for a variant.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from console import audit
from console.admin import answer_story
from console.admin.acts import Refused
from console.admin.answers import look
from console.admin.miss_acts import add_variant
from console.admin.pages import page, shown
from faq.models import Entry
from rag.answering import ladder, pipeline, prompt
from rag.answering.confidence import Outcome
from rag.answering.generation import get_generator
from rag.answering.tuning import Tuning
from rag.models import Case

QUESTION_LENGTH = 2_000
SHARES = {
    "threshold": ("Floor on the cosine", "Nothing below is answered from."),
    "text_weight": ("Weight of words", "The rest is meaning."),
    "likely": ("Likely from", "Confidence from which it is answered at all."),
    "sure": ("Sure from", "Confidence from which it stands alone."),
}


class QuestionForm(forms.Form):
    question = forms.CharField(
        max_length=QUESTION_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "class": "sf-input sf-wide", "data-search": ""}),
        error_messages={"required": "Write a question to ask."},
    )
    generate = forms.BooleanField(required=False, initial=True, label="Let the model write the answer")
    compare = forms.BooleanField(required=False, label="Compare with a second setting")


class TuningForm(forms.Form):
    """One setting: the values that are in force, until changed."""

    top_k = forms.IntegerField(min_value=1, max_value=20, label="Entries for the model", help_text="The best so many.")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["initial"] = asdict(Tuning.of_settings()) | (options.get("initial") or {})
        super().__init__(*arguments, **options)
        self.use_required_attribute = False
        for name, (label, meaning) in SHARES.items():
            self.fields[name] = forms.FloatField(
                min_value=0, max_value=1, step_size=0.01, label=label, help_text=meaning
            )
        for field in self.fields.values():
            field.widget.attrs["class"] = "sf-input"
        self.order_fields(["threshold", "text_weight", "likely", "sure", "top_k"])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if {"likely", "sure"} <= values.keys() and values["likely"] > values["sure"]:
            self.add_error("likely", "At most what it is sure from.")
        return values

    def tuning(self) -> Tuning:
        return Tuning(**self.cleaned_data)


@dataclass(frozen=True)
class Try:
    """One setting's column on the page."""

    name: str
    place: str
    story: answer_story.Story
    prompt: prompt.Prompt | None
    sent: bool
    receipt: str
    changed: list[str]


@page("playground/", "playground")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def playground(request: HttpRequest) -> HttpResponse:
    """A GET shows the form, filled in from the address; only a POST asks, as it may cost tokens."""
    look(request)
    asking = request.method == "POST"
    data = request.POST if asking else None
    given = request.GET.dict()
    form = QuestionForm(data, initial={name: given[name] for name in ("question", "compare") if name in given})
    settings = [TuningForm(data, prefix=name, initial=_initial(given, name)) for name in ("a", "b")]
    tries: list[Try] = []
    compared = bool(form["compare"].value())
    wanted = settings if compared else settings[:1]
    if asking and all([form.is_valid(), *(one.is_valid() for one in wanted)]):
        tries = [_tried(form.cleaned_data, one.tuning(), name) for name, one in zip("ab", wanted, strict=False)]
    context = {
        "title": "Playground",
        "form": form,
        "settings": list(zip(("A", "B"), settings, strict=True)),
        "tries": tries,
        "generator": get_generator() is not None,
        "differences": _differences(tries),
        "choices": _choices(tries),
        "values": _values(settings, form) if asking else {},
        "question": form.cleaned_data["question"] if tries else "",
    }
    return shown(request, "console/playground/playground.html", context)


@page("playground/case/", "playground_case")
@never_cache
@require_POST
def make_case(request: HttpRequest) -> HttpResponse:
    """Keep the question in the stored suite, with the entries that should answer it, or none."""
    if not request.user.has_perm("rag.add_case"):
        raise PermissionDenied
    question = request.POST.get("question", "").strip()[:QUESTION_LENGTH]
    ids = [pk for pk in request.POST.getlist("entry") if pk.isdecimal()]
    relevant = list(Entry.objects.filter(pk__in=ids).values_list("external_id", flat=True))
    if not question or (not relevant and request.POST.get("none") != "1"):
        messages.error(request, "Choose the entries that should answer it, or say that it must not be answered.")
        return _back(request)
    try:
        with transaction.atomic():
            case = Case.objects.create(question=question, relevant=relevant, created_by=_user(request))
            audit.record(request, audit.Verb.CREATED, case, after={"question": question, "relevant": relevant})
    except IntegrityError:
        messages.error(request, "This question is a case already.")
        return _back(request)
    link = reverse("admin:rag_case_change", args=[case.pk])
    told = 'Kept as <a href="{}" class="font-semibold underline">case {}</a>. A promotion may not answer it worse.'
    messages.success(request, format_html(told, link, case.pk))
    return _back(request)


@page("playground/variant/", "playground_variant")
@never_cache
@require_POST
def make_variant(request: HttpRequest) -> HttpResponse:
    """Make the question another wording of an entry."""
    if not request.user.has_perm("faq.change_entry"):
        raise PermissionDenied
    try:
        _, told = add_variant(request, request.POST.get("entry", ""), request.POST.get("question", "").strip())
    except Refused as refused:
        messages.error(request, f"Nothing was changed. {refused}")
    else:
        messages.success(request, f"{told} The index follows by itself.")
    return _back(request)


def _user(request: HttpRequest) -> Any:
    return request.user


def _back(request: HttpRequest) -> HttpResponse:
    """To the form as it was filled in."""
    kept = {name: value for name, value in request.POST.items() if name[:2] in ("a-", "b-")}
    kept |= {name: request.POST[name] for name in ("question", "compare") if request.POST.get(name)}
    return HttpResponseRedirect(f"{reverse('admin:playground')}?{urlencode(kept)}")


def _initial(given: dict[str, str], prefix: str) -> dict[str, str]:
    return {name[2:]: value for name, value in given.items() if name.startswith(f"{prefix}-")}


def _values(settings: list[TuningForm], form: QuestionForm) -> dict[str, str]:
    """What the buttons beneath the answers carry along, so that the form comes back as it was."""
    fields = [one[name] for one in settings for name in one.fields]
    values = {field.html_name: str(field.value()) for field in fields if field.value() is not None}
    return values | ({"compare": "on"} if form["compare"].value() else {})


def _tried(asked: dict[str, Any], tuning: Tuning, place: str) -> Try:
    tried = pipeline.try_out(asked["question"], tuning, generate=asked["generate"])
    sent = tried.trace.prompt
    usual = asdict(Tuning.of_settings())
    return Try(
        name=f"Setting {place.upper()}",
        place=place,
        story=answer_story.of_receipt(tried.receipt),
        prompt=_shown(sent or _would_be_sent(asked["question"], tried)),
        sent=sent is not None,
        receipt=_as_json(tried),
        changed=[
            f"{_label(name)} {value:g}, usually {usual[name]:g}"
            for name, value in asdict(tuning).items()
            if value != usual[name]
        ],
    )


def _label(name: str) -> str:
    return SHARES[name][0].lower() if name in SHARES else "entries for the model"


def _would_be_sent(question: str, tried: pipeline.Tried) -> prompt.Prompt | None:
    """Without a model nothing is sent, yet what it would be told can be shown."""
    for one in tried.trace.looks:
        if one.by == "meaning" and ladder.outcome_of(one.found) != Outcome.UNSURE:
            return prompt.build(question, ladder.passages(one.found))
    return None


def _shown(made: prompt.Prompt | None) -> prompt.Prompt | None:
    """The mark by which a leak of the rules is noticed is not for eyes."""
    return made and prompt.Prompt(made.system.replace(prompt.CANARY, "…"), made.contents, made.passages)


def _as_json(tried: pipeline.Tried) -> str:
    fields = model_to_dict(tried.receipt, exclude=["missed", "vote", "vote_reason", "conversation"])
    return json.dumps(fields, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)


def _differences(tries: list[Try]) -> list[tuple[str, str, str]]:
    """What the two settings came to, line by line; only where there are two."""
    if len(tries) < 2:
        return []
    one, two = (attempt.story for attempt in tries)
    first, second = (rows[0].question if rows else "nothing" for rows in (one.sources, two.sources))
    return [
        ("Answered by", one.answered_by.replace("_", " "), two.answered_by.replace("_", " ")),
        ("Confidence", f"{one.confidence:.2f}", f"{two.confidence:.2f}"),
        ("First source", first, second),
        ("Took", f"{one.total:.0f} ms", f"{two.total:.0f} ms"),
    ]


def _choices(tries: list[Try]) -> list[answer_story.Row]:
    """The entries that a case or a variant may name: what any of the tries found, best first."""
    found: dict[int, answer_story.Row] = {}
    for attempt in tries:
        for row in attempt.story.sources:
            found.setdefault(row.entry_id, row)
    return [row for row in found.values() if row.exists][:8]
