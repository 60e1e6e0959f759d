"""JSON: a list of objects, or one object a line, read object by object."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from faq.transfer.errors import UnreadableFile
from faq.transfer.plain_text import BLOCK, LONGEST_LINE, opened

Pairs = list[tuple[str, Any]]
BLANK = re.compile(r"[ \t\r\n]*")


def read(path: Path, advance: Callable[[float], None]) -> Iterator[tuple[int, Pairs]]:
    """Each object as its pairs, twice given names included, with the line in which it begins."""
    with opened(path, advance) as (text, tell):
        stream = _Stream(text)
        in_list = stream.take("[")
        while not stream.at_end():
            if in_list and stream.take("]"):
                in_list = False
                break
            yield stream.line, stream.next_object()
            stream.take(",")
            tell()
        if in_list:
            raise UnreadableFile("The list is not closed by ]: the file seems to be cut off.", stream.line)
        if not stream.at_end():
            raise UnreadableFile("Text follows the end of the list: remove it.", stream.line)


def write(objects: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A list with one object a line."""
    before = "[\n"
    for entry in objects:
        yield (before + json.dumps(entry, ensure_ascii=False)).encode()
        before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


class _Object(Pairs):
    """An object's pairs, told apart from a list."""


class _Stream:
    """A window on the text, long enough for one object."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self.window = ""
        self.position = 0
        self.line = 1
        self.decoder = json.JSONDecoder(object_pairs_hook=_Object)

    def at_end(self) -> bool:
        while True:
            blank = BLANK.match(self.window, self.position)
            assert blank is not None
            self._move_to(blank.end())
            if self.position < len(self.window):
                return False
            if not self._read_more():
                return True

    def take(self, sign: str) -> bool:
        if self.at_end() or self.window[self.position] != sign:
            return False
        self._move_to(self.position + 1)
        return True

    def next_object(self) -> Pairs:
        if self.at_end() or self.window[self.position] != "{":
            shown = self.window[self.position : self.position + 20]
            raise UnreadableFile(f"Line {self.line:,}: an object like {{…}} is expected, not {shown!r}.", self.line)
        while True:
            try:
                found, end = self.decoder.raw_decode(self.window, self.position)
            except (ValueError, RecursionError) as error:
                held = len(self.window) - self.position
                if held < LONGEST_LINE and self._read_more(held):
                    continue
                raise self._unreadable(error) from None
            self._move_to(end)
            return list(found)

    def _read_more(self, length: int = BLOCK) -> bool:
        """As much again as is held, so that a long object is not decoded over and over."""
        more = self.text.read(max(length, BLOCK))
        self.window = self.window[self.position :] + more
        self.position = 0
        return bool(more)

    def _move_to(self, position: int) -> None:
        self.line += self.window.count("\n", self.position, position)
        self.position = position

    def _unreadable(self, error: Exception) -> UnreadableFile:
        line, why = self.line, "it is nested too deeply"
        if isinstance(error, json.JSONDecodeError):
            line += self.window.count("\n", self.position, error.pos)
            why = error.msg
        elif isinstance(error, ValueError):
            why = "a number is too long"
        return UnreadableFile(f"Line {line:,} is not valid JSON ({why}).", line)
