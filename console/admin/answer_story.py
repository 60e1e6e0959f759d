"""How one answer came about, as its pages tell it: the same for a stored receipt and for a try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faq.models import Entry
from rag.models import Receipt

RUNGS = {
    "exact": "The question is an entry's own",
    "generated": "Written by the model from entries",
    "verbatim": "The nearest entry's own words",
    "text_search": "Found by words alone",
    "suggestions": "The closest questions are offered",
}
LOOKS = {
    "exact": "sf-ok",
    "generated": "sf-ok",
    "verbatim": "sf-ok",
    "text_search": "sf-info",
    "suggestions": "sf-warn",
}
REASONS = {
    "timeout": "took too long",
    "refused": "could not be reached",
    "http_error": "answered with an error",
    "rate_limited": "its quota is used up",
    "blocked": "the model would not answer",
    "bad_response": "gave something unusable",
    "auth": "did not accept our key",
    "breaker_open": "left alone after failing just before",
    "missing": "is not set up here",
    "budget": "its tokens for the day are used up",
}
STAGES = {
    "exact": "look-up",
    "embed": "embedding",
    "vector": "vector search",
    "rank": "ranking",
    "text": "text search",
    "generate": "generation",
    "database": "database",
}


@dataclass(frozen=True)
class Rung:
    name: str
    title: str
    look: str
    outcome: str  # what became of it, in words
    gave: bool = False
    tried: bool = True


@dataclass(frozen=True)
class Time:
    title: str
    milliseconds: float
    percent: float


@dataclass(frozen=True)
class Row:
    """An entry that was found: how near it lay, and what has become of it since."""

    entry_id: int
    question: str
    score: float
    cosine: float | None
    kept: bool  # not below the floor
    now: str  # "", "changed since", "archived", "deleted" ...
    exists: bool


@dataclass(frozen=True)
class Look:
    title: str
    text: str  # where another text was looked for than was asked
    confidence: float
    threshold: float | None
    sure: float
    likely: float
    rows: list[Row]
    outcome: str


@dataclass(frozen=True)
class Story:
    question: str
    answer: str
    answered_by: str
    look: str
    confidence: float
    cached: bool
    fallbacks: list[str]
    rungs: list[Rung]
    looks: list[Look]
    times: list[Time]
    total: float
    sources: list[Row]
    versions: dict[str, Any]


def of_receipt(receipt: Receipt) -> Story:
    hashes = {source["id"]: source.get("text_hash", "") for source in receipt.sources}
    entries = _entries([*hashes, *(row[0] for look in receipt.looks for row in look["entries"])])
    return Story(
        question=receipt.question,
        answer=receipt.answer,
        answered_by=receipt.answered_by,
        look=LOOKS.get(receipt.answered_by, ""),
        confidence=receipt.confidence,
        cached=receipt.cached,
        fallbacks=told(receipt.fallbacks) or [STAGES.get(stage, stage) for stage in receipt.degraded],
        rungs=_rungs(receipt.rungs, receipt.answered_by, cached=receipt.cached),
        looks=[_look(look, receipt.question, entries, hashes) for look in receipt.looks],
        times=_times(receipt.milliseconds),
        total=receipt.milliseconds.get("total", 0.0),
        sources=[_row(entries, hashes, s["id"], s["score"], None, None, s["external_id"]) for s in receipt.sources],
        versions=receipt.versions,
    )


def told(fallbacks: Iterable[Sequence[str]]) -> list[str]:
    """Each step down as a sentence's part: "generation: took too long"."""
    return [f"{STAGES.get(stage, stage)}: {REASONS.get(reason, reason)}" for stage, reason in fallbacks]


def _entries(ids: Iterable[int]) -> Mapping[int, Entry]:
    wanted = set(ids)
    return Entry.objects.only("question", "status", "text_hash", "external_id").in_bulk(wanted) if wanted else {}


def _rungs(tried: Sequence[Mapping[str, str]], answered_by: str, *, cached: bool = False) -> list[Rung]:
    """The whole ladder from its top: what became of each rung that was tried."""
    if cached:
        return [Rung(answered_by, RUNGS[answered_by], LOOKS[answered_by], "kept from an earlier answer", gave=True)]
    left = {step["rung"]: step["left"] for step in tried}
    return [_rung(name, left.get(name)) for name in RUNGS]


def _rung(name: str, left: str | None) -> Rung:
    if left is None:
        return Rung(name, RUNGS[name], "", "not tried", tried=False)
    if left:
        return Rung(name, RUNGS[name], "", REASONS.get(left, left))
    return Rung(name, RUNGS[name], LOOKS[name], "gave the answer", gave=True)


def _look(look: Mapping[str, Any], asked: str, entries: Mapping[int, Entry], hashes: Mapping[int, str]) -> Look:
    by_meaning = look["by"] == "meaning"
    threshold = look["threshold"] if by_meaning else None
    rows = [_row(entries, hashes, pk, score, cosine, threshold) for pk, score, cosine in look["entries"]]
    return Look(
        title="By meaning" if by_meaning else "By words",
        text=look["text"] if look["text"] != asked else "",
        confidence=look["confidence"],
        threshold=threshold,
        sure=look["sure"],
        likely=look["likely"],
        rows=rows,
        outcome=_outcome(look, any(row.kept for row in rows)),
    )


def _outcome(look: Mapping[str, Any], usable: bool) -> str:
    if not look["entries"]:
        return "Nothing was found."
    if not usable:
        return "Everything lies below the floor, so nothing was answered from."
    if look["confidence"] >= look["sure"]:
        return "Sure enough to answer."
    if look["confidence"] >= look["likely"]:
        return "Likely: answered, with other questions that may have been meant."
    return "Not sure enough to answer."


def _row(
    entries: Mapping[int, Entry],
    hashes: Mapping[int, str],
    pk: int,
    score: float,
    cosine: float | None,
    threshold: float | None,
    name: str = "",
) -> Row:
    entry = entries.get(pk)
    return Row(
        entry_id=pk,
        question=entry.question if entry else name or f"entry {pk}",
        score=score,
        cosine=cosine,
        kept=threshold is None or cosine is None or cosine >= threshold,
        now=_since(entry, hashes.get(pk, "")),
        exists=entry is not None,
    )


def _since(entry: Entry | None, text_hash: str) -> str:
    if entry is None:
        return "deleted since"
    if entry.status != Entry.Status.PUBLISHED:
        return f"{entry.get_status_display().lower()} now"
    return "changed since" if text_hash and entry.text_hash != text_hash else ""


def _times(milliseconds: Mapping[str, float]) -> list[Time]:
    """The stages in their order, and what no stage took; shares of the whole."""
    stages = {name: spent for name, spent in milliseconds.items() if name != "total"}
    total = max(milliseconds.get("total", 0.0), sum(stages.values()))
    if not total:
        return []
    parts = [(STAGES.get(name, name), spent) for name, spent in stages.items()]
    parts.append(("everything else", max(0.0, total - sum(stages.values()))))
    return [Time(title, spent, round(100 * spent / total, 2)) for title, spent in parts]
