"""Finding published entries by their words alone: PostgreSQL full text with trigrams, or SQLite's FTS5.

Both only propose candidates; `faq.wording` scores them the same way on either database.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Protocol

from django.db import connection, transaction
from django.db.models import Q, Value
from django.db.models.functions import Lower

from faq.models import IGNORED_SIGNS, Entry

LIMIT = 50
MAX_TERMS = 40
_WORD = re.compile(r"\w+")
_NO_SIGNS = str.maketrans("", "", IGNORED_SIGNS)


class TextSearch(Protocol):
    def candidates(self, question: str, limit: int) -> list[int]:
        """Ids of published entries that share words with the question, best first."""
        ...


class PostgresTextSearch:
    """Any of the words (an AND finds next to nothing for natural questions), then near spellings."""

    _SQL = """
        WITH asked AS (
            SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS words
            FROM unnest(tsvector_to_array(to_tsvector('english', %(words)s))) AS lexeme
        ), by_word AS (
            SELECT id, ts_rank(search, words, 1) AS rank FROM faq_entry, asked
            WHERE search @@ words AND status = 'published' ORDER BY rank DESC, id LIMIT %(limit)s
        ), by_spelling AS (
            SELECT id, similarity(question, %(words)s) AS rank FROM faq_entry
            WHERE question %% %(words)s AND status = 'published' ORDER BY rank DESC, id LIMIT %(limit)s
        )
        SELECT id FROM by_word UNION SELECT id FROM by_spelling
    """

    def candidates(self, question: str, limit: int) -> list[int]:
        words = " ".join(_WORD.findall(question)[:MAX_TERMS])
        return _ids(self._SQL, {"words": words, "limit": limit})


class SqliteTextSearch:
    """FTS5, ranked by bm25. Every word is quoted, so that nothing an asker types is query syntax."""

    _SQL = """
        SELECT entry.id FROM faq_entry_text JOIN faq_entry AS entry ON entry.id = faq_entry_text.rowid
        WHERE faq_entry_text MATCH %s AND entry.status = 'published' ORDER BY rank LIMIT %s
    """

    def candidates(self, question: str, limit: int) -> list[int]:
        words = " OR ".join(f'"{word}"' for word in _WORD.findall(question)[:MAX_TERMS])
        return _ids(self._SQL, [words, limit]) if words else []


def candidates(question: str, limit: int = LIMIT) -> list[int]:
    search: TextSearch = PostgresTextSearch() if connection.vendor == "postgresql" else SqliteTextSearch()
    return search.candidates(question, limit)


def exact(question: str) -> Entry | None:
    """The published entry of which this is the question or a variant, whatever the case and the signs."""
    kept = _signs_removed(question)
    line = " ".join(kept.split())
    if not line:
        return None
    # Lowered by the database, as the stored wordings were: SQLite knows only the letters of ASCII.
    # It also keeps the blank that a sign leaves behind, as in "is it . free".
    asks = _asks(line) if line == kept else _asks(line) | _asks(kept)
    return Entry.objects.published().filter(asks).order_by("pk").first()


def _asks(line: str) -> Q:
    return Q(wordings__contains=Lower(Value(f"\n{line}\n")))


@lru_cache(maxsize=8_192)
def wording_key(question: str) -> str:
    """The same for any two questions that differ only in case, white space and signs that ask nothing."""
    return _without_signs(question).casefold()


def _without_signs(question: str) -> str:
    return " ".join(_signs_removed(question).split())


def _signs_removed(question: str) -> str:
    return question.replace("\u2019", "'").translate(_NO_SIGNS)


def _ids(sql: str, parameters: Any) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()]


_SQLITE_TABLE = """
CREATE VIRTUAL TABLE IF NOT EXISTS faq_entry_text USING fts5(
    question, variants, answer, content='faq_entry', content_rowid='id',
    tokenize="porter unicode61 remove_diacritics 2")
"""
_SQLITE_TRIGGERS = {
    "insert": ("AFTER INSERT", ("new",)),
    "delete": ("AFTER DELETE", ("old",)),
    "update": ("AFTER UPDATE OF question, variants, answer", ("old", "new")),
}
_SQLITE_CHANGE = {
    "old": "INSERT INTO faq_entry_text(faq_entry_text, rowid, question, variants, answer)"
    " VALUES ('delete', old.id, old.question, old.variants, old.answer);",
    "new": "INSERT INTO faq_entry_text(rowid, question, variants, answer)"
    " VALUES (new.id, new.question, new.variants, new.answer);",
}


def install_after_migrate(**_: object) -> None:
    """SQLite only: Django remakes a table to alter it, which drops its triggers. So they are seen to here, each time.

    PostgreSQL has a generated column instead, made by a migration.
    """
    if connection.vendor != "sqlite" or "faq_entry" not in connection.introspection.table_names():
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'faq_entry'")
        if cursor.fetchone()[0] == len(_SQLITE_TRIGGERS):
            return
        cursor.execute(_SQLITE_TABLE)
        for name, (event, rows) in _SQLITE_TRIGGERS.items():
            changes = " ".join(_SQLITE_CHANGE[row] for row in rows)
            cursor.execute(
                f"CREATE TRIGGER IF NOT EXISTS faq_entry_text_{name} {event} ON faq_entry BEGIN {changes} END"
            )
        cursor.execute("INSERT INTO faq_entry_text(faq_entry_text) VALUES ('rebuild')")
