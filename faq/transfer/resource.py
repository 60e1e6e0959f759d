"""The columns of an entries file: what each cell may hold, and how an entry is written into it.

django-import-export carries this map (one `Field` with one widget for both directions), the chunked walk over
the database on export, and in the console the buttons, addresses and filtered queryset. Its `import_data` is not
used: it holds the whole file and a result for each row in memory, its bulk mode writes no history, and it cannot
tell line numbers; reading and writing in batches is ours (`checking`, `writing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import Widget

from faq.fields import lines
from faq.models import ANSWER_LENGTH, QUESTION_LENGTH, Entry
from faq.transfer import cells, text
from faq.transfer.columns import COLUMNS, KEPT_WHEN_BLANK, REQUIRED

MOST_ITEMS = 100


class Line(Widget):  # type: ignore[misc]  # the library has no types
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def clean(self, value: Any, row: Any = None, **_: Any) -> str:
        return text.line(as_text(value), self.limit)


class Paragraphs(Line):
    def clean(self, value: Any, row: Any = None, **_: Any) -> str:
        return text.paragraphs(as_text(value), self.limit)


class Language(Line):
    def clean(self, value: Any, row: Any = None, **_: Any) -> str:
        return text.language_tag(super().clean(value))


class Status(Line):
    def clean(self, value: Any, row: Any = None, **_: Any) -> str:
        status = super().clean(value).lower()
        if status and status not in Entry.Status.values:
            raise ValueError(f'is "{text.shortened(status)}": write one of {", ".join(Entry.Status.values)}')
        return status


class IsoDate(Widget):  # type: ignore[misc]  # the library has no types
    def clean(self, value: Any, row: Any = None, **_: Any) -> date | None:
        written = text.line(as_text(value), 100)
        try:
            return date.fromisoformat(written) if written else None
        except ValueError:
            shown = text.shortened(written)
            raise ValueError(f'is "{shown}", not a date: write year, month and day like 2027-03-31') from None

    def render(self, value: date | None, obj: Any = None, **options: Any) -> str | None:
        return value.isoformat() if value else (None if options.get("force_native_type") else "")


class Items(Widget):  # type: ignore[misc]  # the library has no types
    """A list: joined in a table's cell, native in JSON."""

    def __init__(self, join: Callable[[Iterable[str]], str], split: Callable[[str], list[str]]) -> None:
        super().__init__()
        self.join, self.split = join, split

    def clean(self, value: Any, row: Any = None, **_: Any) -> list[str]:
        if isinstance(value, list):
            found = [text.line(as_text(item), QUESTION_LENGTH) for item in value]
        else:
            # Written in a cell, signs that would separate are doubled: at most twice the length.
            whole = text.paragraphs(as_text(value), 2 * ANSWER_LENGTH)
            found = [text.line(item, QUESTION_LENGTH) for item in self.split(whole)]
        if len(found) > MOST_ITEMS:
            raise ValueError(f"has {len(found)} items, at most {MOST_ITEMS} are allowed: remove some")
        if (length := sum(map(len, found))) > ANSWER_LENGTH:
            raise ValueError(text.too_long(length, ANSWER_LENGTH))
        return lines(found)

    def render(self, value: list[str], obj: Any = None, **options: Any) -> str | list[str]:
        return list(value) if options.get("force_native_type") else self.join(value)


def _column(name: str, widget: Widget, attribute: str = "") -> Field:
    return Field(attribute=attribute or name, column_name=name, widget=widget)


class EntryResource(ModelResource):  # type: ignore[misc]  # the library has no types
    external_id = _column("external_id", Line(64))
    category = _column("category", Line(100), "category__name")
    question = _column("question", Line(QUESTION_LENGTH))
    answer = _column("answer", Paragraphs(ANSWER_LENGTH))
    variants = _column("variants", Items(cells.join_variants, cells.split_variants))
    language = _column("language", Language(100))
    tags = _column("tags", Items(cells.join_tags, cells.split_tags))
    status = _column("status", Status(100))
    review_date = _column("review_date", IsoDate())

    class Meta:
        model = Entry
        fields = COLUMNS
        export_order = COLUMNS
        import_id_fields = ("external_id",)
        chunk_size = 1_000

    def clean_row(self, row: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What the row says about its entry, and what is wrong with it, as sentences."""
        said: dict[str, Any] = {}
        faults: list[str] = []
        for name in COLUMNS:
            if name not in row and name not in REQUIRED:
                continue
            try:
                value = self.clean_cell(name, row.get(name, ""))
            except ValueError as error:
                faults.append(f"{name} {error}.")
                continue
            if value == "" and name in REQUIRED:
                faults.append(f"{name} is blank: every entry needs one.")
            elif value != "" or name not in KEPT_WHEN_BLANK:
                said[name] = value
        return said, faults

    def clean_cell(self, name: str, cell: Any) -> Any:
        """The value that is kept; a ValueError continues a sentence that begins with the column's name."""
        return self.fields[name].clean({name: cell})


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("is a nested object or list: write plain text")
