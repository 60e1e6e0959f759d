"""The form of one entry: held to the same rules as a row of an imported file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from faq import pending, publishing
from faq.fields import LinesFormField, lines
from faq.models import Entry
from faq.transfer.resource import EntryResource

if TYPE_CHECKING:
    EntryModelForm = forms.ModelForm[Entry]
else:
    EntryModelForm = forms.ModelForm

LISTS = ("variants", "tags")
TEXTS = ("external_id", "question", "answer", "language")


class PlainLines(forms.CharField):
    """Browsers send line ends as \\r\\n; kept so, every save would count as a change of the text."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class Items(LinesFormField):
    def __init__(self, **options: Any) -> None:
        # Django would send the old value along in a hidden field, as the model's default is a function.
        super().__init__(**options | {"show_hidden_initial": False})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return lines(initial) != lines(data)


class EntryForm(EntryModelForm):
    user: Any = None  # who fills it in; the admin says
    goes_on_with = ""  # the number of the waiting edit that it was opened with
    stored: Entry | None = None  # the row, once this is valid
    waits = False  # whether the text is kept for another person to publish

    class Meta:
        model = Entry
        fields = "__all__"  # the admin's fieldsets name them

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        resource = EntryResource()
        for name in (*TEXTS, *LISTS):
            if name not in data:
                continue
            written = lines(data[name]) if name in LISTS else data[name]
            try:
                data[name] = resource.clean_cell(name, written)
            except ValueError as error:
                self.add_error(name, f"It {error}.")
        self._refuse_blanks(data)
        self._refuse_twin(data.get("question", ""))
        return data

    def _post_clean(self) -> None:
        """Once the instance holds what was written: is it published, kept, or neither? Restoring comes here too."""
        super()._post_clean()  # type: ignore[misc]  # django-stubs does not know it
        if self.errors:
            return
        self.stored = Entry.objects.select_related("category").filter(pk=self.instance.pk).first()
        self.waits = publishing.waits(self.user, self.instance, self.stored)
        if self.waits:
            if reason := pending.in_the_way(self.instance, self.user, self.goes_on_with):
                self.add_error(None, reason)
        elif self.stored and pending.is_undone(self.instance, self.stored, self.goes_on_with):
            self.add_error(None, "This is what is published already: withdraw or dismiss the edit instead.")
        elif reason := publishing.objection(self.user, self.instance, self.stored):
            self.add_error("status", reason)

    def _refuse_blanks(self, data: dict[str, Any]) -> None:
        for name in TEXTS:
            if data.get(name) == "" and name not in self.errors:
                self.add_error(name, "Nothing of this can be seen: write some text.")

    def _refuse_twin(self, question: str) -> None:
        """Only where the question is being changed: an old twin must not stop an edit of the answer."""
        if not question or ("question" not in self.changed_data and self.instance.pk):
            return
        twin = Entry.objects.filter(question__iexact=question).exclude(pk=self.instance.pk).first()
        if twin:
            self.add_error(
                "question", f"The entry {twin.external_id} asks this already: edit that one, or ask differently."
            )
