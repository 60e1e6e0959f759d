"""The one error of an import: said once for the whole file, in a sentence for who made it."""

from __future__ import annotations


class UnreadableFile(Exception):
    """The file cannot be read as entries; `line` is where, if it can be told."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line
