"""Text files: which encoding they have, and a clear word where they have none."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from faq.transfer.errors import UnreadableFile

BLOCK = 1 << 16
LONGEST_LINE = 1 << 20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "",
    codecs.BOM_UTF32_BE: "",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHER_KINDS = {
    b"PK\x03\x04": "a workbook or ZIP archive; give a workbook the ending .xlsx",
    b"\xd0\xcf\x11\xe0": "an old or password-protected Office document; save it as CSV UTF-8 or .xlsx",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file; unpack it first",
}


@contextmanager
def opened(path: Path, advance: Callable[[float], None]) -> Iterator[tuple[TextIO, Callable[[], None]]]:
    """The decoded text with its line ends as they are, and a function that tells how far reading has come."""
    encoding = encoding_of(path)
    size = path.stat().st_size
    with path.open("rb") as raw, TextIOWrapper(raw, encoding=encoding, newline="") as text:
        yield text, lambda: advance(raw.tell() / size)


def encoding_of(path: Path) -> str:
    """The whole file is decoded once, so that a bad byte is found before anything is taken from it."""
    with path.open("rb") as raw:
        start = raw.read(BLOCK)
        encoding = _guess(path, start)
        raw.seek(0)
        _decode(path, raw, encoding)
    return encoding


def _guess(path: Path, start: bytes) -> str:
    for signature, kind in _OTHER_KINDS.items():
        if start.startswith(signature):
            raise UnreadableFile(f"This is not {_kind(path)} but {kind}.")
    for mark, encoding in _MARKS.items():
        # UTF-32's mark begins with UTF-16's, and comes before it in the table.
        if start.startswith(mark):
            if not encoding:
                raise UnreadableFile("The file is encoded as UTF-32: save it as UTF-8.", 1)
            return encoding
    if start.count(0) * 4 > len(start):
        raise UnreadableFile("The file looks like UTF-16 without its byte order mark: save it as UTF-8.", 1)
    return "utf-8"


def _decode(path: Path, raw: BinaryIO, encoding: str) -> None:
    # Without "-sig", which would count positions from behind the mark.
    decoder = codecs.getincrementaldecoder(encoding.removesuffix("-sig"))()
    position = line = 0
    while True:
        block = raw.read(BLOCK)
        waiting = len(decoder.getstate()[0])
        try:
            line += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as error:
            at = position - waiting + error.start
            line += block[: max(error.start - waiting, 0)].count(b"\n")
            raise UnreadableFile(
                f"Byte {at:,} (0x{error.object[error.start]:02X}, line {line + 1:,}) is not {_named(encoding)}:"
                " save the file as UTF-8 (in Excel: CSV UTF-8).",
                line + 1,
            ) from None
        if not block:
            return
        position += len(block)


def _kind(path: Path) -> str:
    return path.suffix.lstrip(".").upper()


def _named(encoding: str) -> str:
    return "UTF-16" if encoding == "utf-16" else "UTF-8"
