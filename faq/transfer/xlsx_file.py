"""XLSX workbooks: the first sheet's rows. The one file that knows openpyxl."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, Any

from faq.transfer.errors import UnreadableFile

MOST_BYTES = 256 << 20
MOST_PARTS = 1_000
MOST_RATIO = 100
MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
SMALL = 1 << 20
BLOCK = 1 << 20
BATCH = 1_000
# Control characters and XML's non-characters are written _x000D_; text that looks like that, _x005F_x000D_.
_UNWRITABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}[_\x00-\x08\x0b-\x1f\ufffe\uffff])",
)
_WRITTEN = re.compile(r"_x(00[01][0-9A-Fa-f]|005[Ff]|[Ff]{3}[EFef])_")
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")


def read(path: Path, advance: Callable[[float], None]) -> Iterator[tuple[int, list[str]]]:
    """Rows of cells as text, each with its row number. A formula counts as its last computed value."""
    rows = _rows(path, _inspect(path), advance)
    while batch := _understood(rows):
        yield from batch


def write(rows: Iterable[list[str]], target: IO[bytes]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    workbook = Workbook(write_only=True)
    sheet: Any = workbook.create_sheet("Entries")
    sheet.freeze_panes = "A2"
    try:
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise ValueError(f"A sheet holds {MOST_ROWS:,} rows: export as CSV or JSON, or fewer entries.")
            cells = [WriteOnlyCell(sheet, _writable(text, row[0])) for text in row]
            for cell in cells:
                cell.data_type = "s"  # or openpyxl takes "#N/A" for an error
            sheet.append(cells)
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # its temporary file, which else stays until the process ends
        raise
    workbook.save(target)


def _writable(text: str, external_id: str) -> str:
    written = _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    if len(written) > LONGEST_CELL:
        raise ValueError(
            f"A text of the entry {external_id} is longer than the {LONGEST_CELL:,} characters that an XLSX cell"
            " holds: export as CSV or JSON."
        )
    return written


def _readable(value: Any) -> str:
    if isinstance(value, str):
        return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), value)
    if value is None:
        return ""
    if isinstance(value, datetime) and not (value.hour or value.minute or value.second):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return str(value).upper()
    return str(getattr(value, "text", value))  # an array formula keeps its text so


def _understood(rows: Iterator[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The next rows. openpyxl raises whatever its parsing stumbles over, and warns of parts that it leaves out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(islice(rows, BATCH))
    except UnreadableFile:
        raise
    except Exception as error:
        raise UnreadableFile(
            f"The workbook is damaged ({type(error).__name__}): open it and save it anew as .xlsx, or as CSV UTF-8."
        ) from error


def _rows(path: Path, formulas: bool, advance: Callable[[float], None]) -> Iterator[tuple[int, list[str]]]:
    with _sheet(path, data_only=formulas) as sheet:
        total = sheet.max_row or 0
        for line, cells in _computed(path, sheet) if formulas else _cells(sheet):
            if line > MOST_ROWS:
                raise UnreadableFile(f"The sheet has more than {MOST_ROWS:,} rows: split it.", line)
            if line % BATCH == 0 and total:
                advance(line / total)
            yield line, cells


def _computed(path: Path, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Where no program has computed a formula yet, its own text is all there is."""
    with _sheet(path, data_only=False) as written:
        for (line, values), (_, texts) in zip(_cells(sheet), _cells(written), strict=True):
            yield line, [value or text for value, text in zip_longest(values, texts, fillvalue="")]


def _cells(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """As wide as the first row that holds anything: a sheet has no other ends of rows."""
    sheet.reset_dimensions()  # what the file claims of its size is not to be trusted
    width = 0
    for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [_readable(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        width = width or len(cells)
        yield line, cells + [""] * (width - len(cells))


@contextmanager
def _sheet(path: Path, *, data_only: bool) -> Iterator[Any]:
    import openpyxl

    workbook = openpyxl.load_workbook(path, read_only=True, data_only=data_only, keep_links=False)
    try:
        yield workbook.worksheets[0]
    finally:
        workbook.close()


def _inspect(path: Path) -> bool:
    """Refuse what would unpack without end or reach outside; say whether the workbook has formulas."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _refuse_bomb(parts)
            if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
                raise UnreadableFile("The workbook contains macros: save it as .xlsx without them.")
            return [_look_into(archive, part) for part in parts if _is_xml(part)].count(True) > 0
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        raise UnreadableFile(
            "This is not an .xlsx workbook, or it is damaged or protected by a password: save it anew as .xlsx"
            " without a password, or as CSV UTF-8."
        ) from None


def _refuse_bomb(parts: list[zipfile.ZipInfo]) -> None:
    size = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts) or 1
    if len(parts) > MOST_PARTS or size > MOST_BYTES:
        raise UnreadableFile(f"The workbook unpacks to more than {MOST_BYTES >> 20} MiB: split it, or save it as CSV.")
    if size > SMALL and size / packed > MOST_RATIO:
        raise UnreadableFile(
            f"The workbook unpacks to more than {MOST_RATIO} times its size, as if made to do harm: save it as CSV."
        )


def _is_xml(part: zipfile.ZipInfo) -> bool:
    return part.filename.lower().endswith((".xml", ".rels"))


def _look_into(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Whether this part has formulas. A declaration of entities has no place in a workbook."""
    formulas = False
    is_sheet = "worksheets/" in part.filename
    with archive.open(part) as stream:
        seen = b""
        while block := stream.read(BLOCK):
            seen = seen[-16:] + block
            if b"\0" in seen or _DECLARATION.search(seen):
                raise UnreadableFile("The workbook declares XML entities, which is never needed: save it as CSV.")
            formulas = formulas or (is_sheet and _FORMULA.search(seen) is not None)
    return formulas
