"""A list of short texts kept as one text column, one line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models

if TYPE_CHECKING:
    Text = models.TextField[Any, list[str]]
else:
    Text = models.TextField


class LinesField(Text):
    """In Python a `list[str]`; in the database plain text, so that it can be searched, hashed and read by eye."""

    _pyi_private_set_type: Any  # for the type checker: what may be assigned

    def from_db_value(self, value: str | None, *_: object) -> list[str]:
        return lines(value)

    def to_python(self, value: Any) -> list[str]:
        return lines(value)

    def get_prep_value(self, value: Any) -> str:
        return "\n".join(lines(value))

    def value_to_string(self, obj: models.Model) -> str:
        return "\n".join(self.value_from_object(obj))

    def formfield(self, **options: Any) -> forms.Field | None:
        return super().formfield(**{"form_class": LinesFormField, **options})


class LinesFormField(forms.CharField):
    """A textarea with one text a line."""

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else "\n".join(lines(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return lines(initial) != lines(data)


def lines(value: str | Iterable[str] | None) -> list[str]:
    """Every non-blank line once, in order, with its white space collapsed."""
    if value is None:
        return []
    found = value.splitlines() if isinstance(value, str) else value
    return list(dict.fromkeys(line for text in found if (line := " ".join(text.split()))))
