"""What every peer is given: the entries, the model's folder, and a folder to keep its index in."""

from __future__ import annotations

import csv
import os
from pathlib import Path

MODEL = os.environ["MODEL"]
KEPT = Path(os.environ["KEPT"])
VECTORS = KEPT / "vectors.npy"  # of each entry's text, made once for all of them
NEAREST = 5


def entries() -> list[dict[str, str]]:
    with Path(os.environ["FAQ"]).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text(entry: dict[str, str]) -> str:
    return f"{entry['question']}\n{entry['answer']}"
