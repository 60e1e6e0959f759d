"""The FAQ file and the questions that every side gets: real ones where ../shared has them, else the user guide's."""

from __future__ import annotations

import csv
from itertools import islice, product
from pathlib import Path

# A worktree lies one folder deeper than the clone.
SHARED = next((path for path in (Path("../shared/data"), Path("../../shared/data")) if path.is_dir()), None)
GUIDE = Path("faq/guide/guide.csv")
# What people put before and after a question: so that each is asked once only, and no kept answer helps.
BEFORE = (
    "",
    "Hello, ",
    "Hi there, ",
    "Quick question: ",
    "Please tell me: ",
    "Sorry to ask: ",
    "For my mother: ",
    "Hey: ",
)
AFTER = ("", " Thanks", " Thank you!", " Please help", " I need it today", " It is urgent", " Cheers", " Best regards")


def faq_file() -> Path:
    return SHARED / "dev" / "faq.csv" if SHARED else GUIDE


def real() -> list[str]:
    """As people wrote them."""
    path = SHARED / "dev" / "golden.csv" if SHARED else GUIDE.with_name("questions.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["query"] for row in csv.DictReader(file)))


def distinct(number: int) -> list[str]:
    """So many, no two alike; neighbours are different questions, not the same with other frills."""
    frills = product(AFTER, BEFORE)
    return list(islice((f"{b}{one}{a}" for a, b in frills for one in real()), number))
