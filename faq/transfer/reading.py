"""An entries file of any kind as rows with line numbers, read as often as asked and never held whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faq.transfer import csv_file, json_file, xlsx_file
from faq.transfer.cells import restored
from faq.transfer.columns import COLUMNS, REQUIRED
from faq.transfer.errors import UnreadableFile
from faq.transfer.text import is_blank, shortened

MOST_COLUMNS = 100
MOST_NAMED = 50
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Rows are told apart by their number; several objects may stand on one line."""

    number: int
    line: int
    cells: dict[str, Any]
    fault: str = ""


@dataclass
class EntriesFile:
    """`rows()` is one pass over the file; `fraction` says how far it has come."""

    path: Path
    name: str = ""
    ignored: list[str] = field(default_factory=list)
    fraction: float = 0.0

    def __post_init__(self) -> None:
        self.name = self.name or self.path.name
        self._state = self._look()

    def rows(self) -> Iterator[Row]:
        if self._look() != self._state:
            raise UnreadableFile(f"{self.name} was changed while it was read: start the import again.")
        self.fraction = 0.0
        kind = kind_of(self.path)
        if kind == "json":
            yield from self._objects(json_file.read(self.path, self._advance))
        else:
            read = csv_file.read if kind == "csv" else xlsx_file.read
            yield from self._table(read(self.path, self._advance))

    def _look(self) -> tuple[int, int]:
        try:
            state = self.path.stat()
        except OSError as error:
            raise UnreadableFile(f"{self.name} cannot be read: {error.strerror}.") from None
        if not state.st_size:
            raise UnreadableFile(f"{self.name} is empty: it needs a header row with {_listed(REQUIRED)}.")
        return state.st_size, state.st_mtime_ns

    def _advance(self, fraction: float) -> None:
        self.fraction = min(fraction, 1.0)

    def _table(self, table: Iterable[tuple[int, list[str]]]) -> Iterator[Row]:
        names: list[str] | None = None
        for number, (line, cells) in enumerate(table):
            if all(is_blank(cell) for cell in cells):
                continue
            if names is None:
                names = header(cells)
                self.ignored = [shortened(name) for name in names if name and name not in COLUMNS][:MOST_NAMED]
            else:
                yield _row(number, line, names, cells)
        if names is None:
            raise UnreadableFile(f"{self.name} has no header row: name the columns {_listed(REQUIRED)}.")

    def _objects(self, objects: Iterable[tuple[int, list[tuple[str, Any]]]]) -> Iterator[Row]:
        self.ignored = []
        for number, (line, pairs) in enumerate(objects, 1):
            names = [column_name(name) for name, _ in pairs]
            twice = [name for name in names if name in COLUMNS and names.count(name) > 1]
            others = (shortened(name) for name in names if name not in COLUMNS)
            self.ignored += [name for name in others if name not in self.ignored][: MOST_NAMED - len(self.ignored)]
            fault = f"{twice[0]} is given twice: keep one of them." if twice else ""
            yield Row(number, line, dict(zip(names, (value for _, value in pairs), strict=True)), fault)


def kind_of(path: Path) -> str:
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        shown = path.suffix or "a name without an ending"
        raise UnreadableFile(
            f"{shown} is not a kind of file that can be imported: use one of {', '.join(SUFFIXES)}."
        ) from None


def column_name(cell: str) -> str:
    return re.sub(r"\s+", " ", cell).strip().lower()


def header(cells: list[str]) -> list[str]:
    """The columns' names; a fault in them makes the whole file unreadable."""
    names = [column_name(cell) for cell in cells]
    if any("\0" in name for name in names):
        raise UnreadableFile("The header contains NUL characters: save the file as UTF-8 text.")
    if len(names) > MOST_COLUMNS:
        raise UnreadableFile(f"The header has {len(names):,} columns, at most {MOST_COLUMNS} are allowed.")
    for name in names:
        if name and names.count(name) > 1:
            raise UnreadableFile(f"The column {shortened(name)} occurs twice in the header: keep one of them.")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise UnreadableFile(f"The header has no column {_listed(missing)}: add it, or check its spelling.")
    return names


def _row(number: int, line: int, names: list[str], cells: list[str]) -> Row:
    beyond = cells[len(names) :]
    if len(cells) < len(names) or not all(is_blank(cell) for cell in beyond):
        fault = (
            f"The row has {len(cells)} cells where the header has {len(names)}:"
            " put text that contains the separator between quotation marks, or add what is missing."
        )
        return Row(number, line, {}, fault)
    texts = {name: restored(cell) for name, cell in zip(names, cells, strict=False) if name in COLUMNS}
    return Row(number, line, texts)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
