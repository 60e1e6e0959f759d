"""For each property one way to break the product, kept as data in sabotages.toml: a text, and what replaces it.

What was seen of them is kept in sabotaged.json, which `python -m tests.properties.sabotage` writes.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.servers import PROJECT

SEEN = Path(__file__).with_name("sabotaged.json")


class DoesNotApply(Exception):
    """The product has changed where it was to be broken: write the sabotage anew."""


@dataclass(frozen=True)
class Sabotage:
    number: int
    what: str
    file: str
    before: str
    after: str

    def applied(self, root: Path = PROJECT) -> str:
        """The file's text with the break in it. Raises DoesNotApply."""
        path = root / self.file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text.count(self.before) != 1:
            raise DoesNotApply(f"{self.number}: {self.file} has {text.count(self.before)} times: {self.before}")
        return text.replace(self.before, self.after)

    @property
    def mark(self) -> str:
        """Changes with the sabotage: what was seen of another one says nothing."""
        return hashlib.sha256(f"{self.file}\0{self.before}\0{self.after}".encode()).hexdigest()[:12]

    def apply(self, root: Path) -> None:
        (root / self.file).write_text(self.applied(root), encoding="utf-8")


def _read() -> dict[int, Sabotage]:
    raw = tomllib.loads(Path(__file__).with_name("sabotages.toml").read_text(encoding="utf-8"))
    return {int(number): Sabotage(int(number), **one) for number, one in raw.items()}


SABOTAGES = _read()


@dataclass(frozen=True)
class Seen:
    """What came of a sabotage when it was last tried."""

    verdict: str
    date: str
    seconds: float
    mark: str


def seen() -> dict[int, Seen]:
    raw = json.loads(SEEN.read_text(encoding="utf-8")) if SEEN.exists() else {}
    return {int(number): Seen(**one) for number, one in raw.items()}


def keep(number: int, verdict: str, seconds: float) -> None:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    every = seen() | {number: Seen(verdict, today, round(seconds, 1), SABOTAGES[number].mark)}
    raw = {str(one): asdict(every[one]) for one in sorted(every)}
    SEEN.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
