"""What was asked before in this conversation, and when a question leans on it."""

from __future__ import annotations

import re
from uuid import UUID

from rag.models import Receipt

TURNS = 3
_LEANING = re.compile(
    r"^(and|but|so|then|what about|how about|why|why not|also)\b"
    r"|\b(it|its|that|this|those|these|they|them|there|one|ones)\b",
    re.IGNORECASE,
)
_SHORT = 4  # words


def history(conversation: UUID | None) -> list[tuple[str, str]]:
    """The last questions and answers, oldest first. Raises django.db.Error."""
    if conversation is None:
        return []
    turns = Receipt.objects.filter(conversation=conversation).order_by("-created_at")
    return list(turns.values_list("question", "answer")[:TURNS])[::-1]


def in_context(question: str, before: list[tuple[str, str]]) -> str | None:
    """The question with the one that it leans on; None when it stands by itself."""
    if not before:
        return None
    if len(question.split()) > _SHORT and not _LEANING.search(question):
        return None
    return f"{before[-1][0]} {question}"
