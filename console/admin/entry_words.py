"""How an entry's states are called for people, and their colours; the word is always there, never the colour alone."""

from __future__ import annotations

EDIT_WAITS = ", edit waits"
STATUS_COLOURS = {"Draft": "info", "Published": "success", "Archived": "warning", f"Published{EDIT_WAITS}": "warning"}
INDEX_WORDS = {
    "current": "Current",
    "outdated": "Outdated",
    "missing": "Not yet",
    "failed": "Failed",
    "unpublished": "Not published",
    "leaving": "Leaving",
}
INDEX_COLOURS = {
    "Current": "success",
    "Outdated": "warning",
    "Not yet": "warning",
    "Failed": "danger",
    "Not published": "default",
    "Leaving": "warning",
}
# The same in a sentence, above the form.
INDEX_SENTENCES = {
    "current": "In the index as it reads now",
    "outdated": "In the index by an older text",
    "missing": "Not in the index yet",
    "failed": "Cannot be indexed",
    "unpublished": "Not published, so not in the index",
    "leaving": "Being taken out of the index",
}
