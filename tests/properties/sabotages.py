"""For each property one way to break the product, kept as data in sabotages.toml: a text, and what replaces it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.servers import PROJECT


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

    def apply(self, root: Path) -> None:
        (root / self.file).write_text(self.applied(root), encoding="utf-8")


def _read() -> dict[int, Sabotage]:
    raw = tomllib.loads(Path(__file__).with_name("sabotages.toml").read_text(encoding="utf-8"))
    return {int(number): Sabotage(int(number), **one) for number, one in raw.items()}


SABOTAGES = _read()
