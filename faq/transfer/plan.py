"""What checking a file found, row by row, on disk: however long the file, memory stays flat.

A temporary SQLite database without a name, which is gone when it is closed. It knows the identity of every entry
and of every row so far, and so tells duplicates; the write pass asks it what was decided.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

from faq.transfer.reading import Row
from faq.transfer.report import Duplicate

NEW, CHANGED, UNCHANGED, DUPLICATE = "new", "changed", "unchanged", "duplicate"
_TABLES = """
    PRAGMA journal_mode = OFF;
    CREATE TABLE entry (external_id TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE row (number INTEGER PRIMARY KEY, line INTEGER NOT NULL, external_id TEXT NOT NULL,
                      key BLOB NOT NULL, kind TEXT NOT NULL, renews INTEGER NOT NULL);
    CREATE UNIQUE INDEX row_external_id ON row (external_id) WHERE kind <> 'duplicate';
    CREATE INDEX row_key ON row (key);
"""
# Another entry asks the same, and no row of this file rewords it; and the row is not just what its own entry asks.
_ASKED_BY_ANOTHER = """
    SELECT row.number, row.line, min(entry.external_id) FROM row JOIN entry ON entry.key = row.key
    WHERE row.kind IN ('new', 'changed') AND row.renews AND entry.external_id <> row.external_id
      AND NOT EXISTS (SELECT 1 FROM row AS other WHERE other.external_id = entry.external_id
                      AND other.key <> entry.key AND other.kind <> 'duplicate')
    GROUP BY row.number ORDER BY row.number
"""


@contextmanager
def new_plan() -> Iterator[Plan]:
    database = sqlite3.connect("", isolation_level=None)
    try:
        database.executescript(_TABLES)
        database.execute("BEGIN")
        yield Plan(database)
    finally:
        database.close()


class Plan:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def note_entries(self, entries: Iterable[tuple[str, str]]) -> None:
        """Entries that exist, as their external ID and the key of their question."""
        self._database.executemany(
            "INSERT INTO entry VALUES (?, ?)", ((external_id, _digest(key)) for external_id, key in entries)
        )
        self._database.execute("CREATE INDEX entry_key ON entry (key)")

    def entry_asking(self, key: str) -> str | None:
        found = self._database.execute("SELECT min(external_id) FROM entry WHERE key = ?", [_digest(key)])
        external_id: str | None = found.fetchone()[0]
        return external_id

    def add(self, row: Row, external_id: str, key: str, kind: str) -> Duplicate | None:
        """Take the row in, or say of which earlier line it is a duplicate. The first of the same wins."""
        digest = _digest(key)
        asks_the_same = self._database.execute(
            "SELECT 1 FROM entry WHERE external_id = ? AND key = ?", [external_id, digest]
        ).fetchone()
        duplicate = None if asks_the_same else self._same(row.line, "key", digest)
        duplicate = duplicate or self._same(row.line, "external_id", external_id)
        self._database.execute(
            "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?)",
            [row.number, row.line, external_id, digest, DUPLICATE if duplicate else kind, not asks_the_same],
        )
        return duplicate

    def settle(self) -> Iterator[Duplicate]:
        """Once every row is in: those whose question another entry asks already."""
        for number, line, external_id in self._database.execute(_ASKED_BY_ANOTHER).fetchall():
            self._database.execute("UPDATE row SET kind = ? WHERE number = ?", [DUPLICATE, number])
            yield Duplicate(line, "question", entry=external_id)

    def count(self, kind: str) -> int:
        counted: int = self._database.execute("SELECT count(*) FROM row WHERE kind = ?", [kind]).fetchone()[0]
        return counted

    def decided(self, first: int, last: int) -> dict[int, tuple[str, str]]:
        """Kind and external ID of the rows with these numbers."""
        rows = self._database.execute(
            "SELECT number, kind, external_id FROM row WHERE number BETWEEN ? AND ?", [first, last]
        )
        return {number: (kind, external_id) for number, kind, external_id in rows}

    def _same(self, line: int, column: str, value: str | bytes) -> Duplicate | None:
        # "duplicate" spelled out, or SQLite could not know that the partial index serves.
        sql = f"SELECT line FROM row WHERE {column} = ? AND kind <> 'duplicate' ORDER BY number LIMIT 1"  # noqa: S608  # a column of ours
        first = self._database.execute(sql, [value]).fetchone()
        if first is None:
            return None
        return Duplicate(line, "question" if column == "key" else column, first_line=first[0])


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()
