"""The names of an entries file's columns."""

from __future__ import annotations

COLUMNS = (
    "external_id",
    "category",
    "question",
    "answer",
    "variants",
    "language",
    "tags",
    "status",
    "review_date",
)
REQUIRED = ("category", "question", "answer")
# A blank cell of these says nothing; a blank cell of the others empties the field.
KEPT_WHEN_BLANK = ("external_id", "language", "status")
