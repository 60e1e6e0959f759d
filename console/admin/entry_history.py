"""An entry's history: each version with what it changed, word by word, and the way back to it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from faq import differences
from faq.differences import Piece

FIELDS = {
    "status": "Status",
    "category_id": "Category",
    "question": "Question",
    "variants": "Variants",
    "answer": "Answer",
    "language": "Language",
    "tags": "Tags",
    "review_date": "Review date",
}


class EntryHistory(SimpleHistoryAdmin):
    history_list_per_page = 20
    object_history_template: Any = "console/entries/history.html"
    object_history_list_template = "console/entries/history_list.html"
    object_history_form_template = "console/entries/history_form.html"

    def set_history_delta_changes(self, request: HttpRequest, historical_records: Any, **_: Any) -> None:
        """Each version beside the one before it; the last of the page beside the first of the next."""
        records = list(historical_records)
        for record in records:
            record.changes = []
        for newer, older in zip(records, [*records[1:], records[-1].prev_record if records else None], strict=False):
            if older is not None:
                newer.changes = changes(older, newer)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> Any:
        """simple_history lets whoever may look at a version restore it as well; here that takes the right to change."""
        if request.method == "POST" and not self.has_change_permission(request):
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)


def changes(older: Any, newer: Any) -> list[tuple[str, list[Piece]]]:
    """The fields that differ, by their names for people, each as one text with what went and what came."""
    found = []
    for name, title in FIELDS.items():
        if not hasattr(newer, name):
            continue  # an edit that waits has a text, and no status
        before, after = _text(older, name), _text(newer, name)
        if before != after:
            found.append((title, differences.shortened(differences.words(before, after))))
    return found


def _text(record: Any, name: str) -> str:
    value = getattr(record, name)
    if name == "category_id":
        category = getattr(record, "category", None)
        return str(category or f"#{value}")
    if isinstance(value, list):
        return "\n".join(value)
    return "" if value is None else str(value)
