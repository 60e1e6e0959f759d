"""A suite: labelled questions, also such that must not be answered, and what asking them gives."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.models import Case as StoredCase

DEPTH = 10  # sources looked at for the reciprocal rank


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the external ids that answer it; none means that it must not be answered."""

    question: str
    relevant: frozenset[str]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: external ids best first, and whether it was an answer or only suggestions."""

    ranked: tuple[str, ...]
    answered: bool


Ask = Callable[[str], Reply]


class SuiteError(ValueError):
    """The file cannot be used; says which and why."""


def read_cases(path: Path) -> list[Case]:
    """A CSV with the columns query (or question) and relevant_ids, space separated; without ids out of scope."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        asked = next((name for name in ("query", "question") if name in columns), None)
        if asked is None:
            raise SuiteError(f"{path.name} has no column query: its first line must name the columns.")
        return [
            Case(row[asked], frozenset((row.get("relevant_ids") or "").split()), row.get("kind") or "") for row in rows
        ]


def stored() -> list[Case]:
    """The suite that is kept in the console, as cases are made from what is asked there."""
    return [Case(row.question, frozenset(row.relevant), "stored") for row in StoredCase.objects.order_by("pk")]


def measure(cases: Sequence[Case], ask: Ask, progress: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Names to figures, each 0 to 1: ranking and answering over the answerable cases, rejection over the others."""
    replies = []
    for case in cases:
        replies.append((case, ask(case.question)))
        progress()
    inside = [(case, reply) for case, reply in replies if case.relevant]
    outside = [(case, reply) for case, reply in replies if not case.relevant]
    return _of_answerable(inside) | _of_others(outside)


def _of_answerable(pairs: Sequence[tuple[Case, Reply]]) -> dict[str, float]:
    if not pairs:
        return {}
    ranks = [_rank(case, reply) for case, reply in pairs]
    answered = [rank for rank, (_, reply) in zip(ranks, pairs, strict=True) if reply.answered]
    return {
        "hit@1": _mean(rank == 1 for rank in ranks),
        "hit@3": _mean(rank is not None and rank <= 3 for rank in ranks),
        "hit@5": _mean(rank is not None and rank <= 5 for rank in ranks),
        "mrr@10": _mean(1 / rank if rank else 0.0 for rank in ranks),
        "answered_rate": len(answered) / len(pairs),
        "answered_precision_in_scope": _mean(rank == 1 for rank in answered),
    }


def _of_others(pairs: Sequence[tuple[Case, Reply]]) -> dict[str, float]:
    if not pairs:
        return {}
    figures = {"oos_rejection": _mean(not reply.answered for _, reply in pairs)}
    for kind in sorted({case.kind for case, _ in pairs if case.kind}):
        figures[f"oos_rejection_{kind}"] = _mean(not reply.answered for case, reply in pairs if case.kind == kind)
    return figures


def _rank(case: Case, reply: Reply) -> int | None:
    return next((n for n, one in enumerate(reply.ranked[:DEPTH], start=1) if one in case.relevant), None)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
