"""CSV: tables as text, separated by commas, semicolons, tabs or pipes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import TextIO

from faq.transfer.columns import COLUMNS
from faq.transfer.errors import UnreadableFile
from faq.transfer.plain_text import LONGEST_LINE, opened

SEPARATORS = ",;\t|"


def read(path: Path, advance: Callable[[float], None]) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells, each with the line of the file in which it begins."""
    with opened(path, advance) as (text, tell):
        separator = _separator(text)
        reader = csv.reader(_lines(text), delimiter=separator, strict=True, skipinitialspace=True)
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _unreadable(error, begins, reader.line_num) from None
            yield begins, cells
            if begins % 100 == 0:
                tell()


def write(rows: Iterable[list[str]]) -> Iterator[bytes]:
    """With a byte order mark, by which Excel knows that it is UTF-8."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    for row in rows:
        writer.writerow(row)
        if buffer.tell() > LONGEST_LINE // 16:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> bytes:
    written = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return written


def _lines(text: TextIO) -> Iterator[str]:
    """Lines as they are; one without an end must not fill the memory."""
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise UnreadableFile(
                f"Line {number:,} is longer than {LONGEST_LINE:,} characters: shorten its cells.", number
            )
        yield line


def _separator(text: TextIO) -> str:
    """The one by which the first line that is not blank falls into the most known columns."""
    first = next((line for line in _lines(text) if line.strip()), "")
    text.seek(0)
    return max(SEPARATORS, key=lambda separator: _known_columns(first, separator))


def _known_columns(line: str, separator: str) -> int:
    try:
        cells = next(csv.reader([line], delimiter=separator))
    except (csv.Error, StopIteration):
        return 0
    return sum(cell.strip().lower() in COLUMNS for cell in cells)


def _unreadable(error: csv.Error, begins: int, line: int) -> UnreadableFile:
    if "unexpected end" in str(error):
        return UnreadableFile(
            f"In the row of line {begins:,} a quotation mark is opened and never closed: close it, or double it"
            " where it belongs to the text.",
            begins,
        )
    if "field larger" in str(error):
        limit = csv.field_size_limit()
        return UnreadableFile(
            f"In the row of line {begins:,} a cell is longer than {limit:,} characters, or a quotation mark is"
            " never closed: shorten it, or close it.",
            begins,
        )
    return UnreadableFile(
        f"In line {line:,} text follows a closing quotation mark: double the marks that belong to the text.", line
    )
