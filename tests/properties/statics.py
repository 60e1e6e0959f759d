"""The collected static files, and what their answers ought to be."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path

import brotli

from tests.deploy.edge import Reply

HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
LEFT_OUT = {".gz", ".br", "", ".json"}
YEAR = 31_536_000


@cache
def collected(tree: Path) -> Path:
    """Under the name by which nginx finds it."""
    static = tree / "static"
    if not static.exists():
        static.symlink_to(tree / "staticfiles")
    return static


@cache
def files(tree: Path) -> list[Path]:
    """All of them but for their packed twins, and the list of their names."""
    return sorted(path for path in collected(tree).rglob("*") if path.suffix not in LEFT_OUT)


def chosen(tree: Path, pick: int, *, hashed: bool = False) -> Path:
    every = [path for path in files(tree) if HASHED.search(path.name)] if hashed else files(tree)
    return every[pick % len(every)]


def address(tree: Path, path: Path) -> str:
    return f"/static/{path.relative_to(collected(tree))}"


def unpacked(body: bytes, coding: str) -> bytes:
    whole: bytes = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[coding](body)
    return whole


def age_of(reply: Reply) -> int:
    """Seconds for which the answer may be kept."""
    return int(re.findall(r"max-age=(\d+)", reply["Cache-Control"])[0])
