"""The rungs: each makes a draft, or leaves the question to the next one down."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from faq import text_search, wording
from rag.answering.answers import Draft, Source, source
from rag.answering.confidence import Outcome, outcome
from rag.answering.prompt import Passage
from rag.answering.retrieval import Candidate, Found

OFFERED = 5
# Too unsure for an answer, yet as likely right as wrong (.54 of such on the labelled questions): shown as a guess.
WORTH_SHOWING = 0.3


def exact(question: str) -> Draft | None:
    """The question is an entry's question or variant: its own answer, word for word. Raises django.db.Error."""
    entry = text_search.exact(question)
    if entry is None:
        return None
    here = Source(entry.pk, entry.external_id, entry.question, 1.0)
    return Draft("exact", entry.answer, 1.0, [here], revisions={entry.external_id: entry.text_hash})


def outcome_of(found: Found) -> Outcome:
    if not found.usable:
        return Outcome.UNSURE
    return outcome(found.confidence, sure=found.tuning.sure, likely=found.tuning.likely)


def passages(found: Found) -> list[Passage]:
    """What the model may answer from, numbered from 1 as it is to cite them."""
    chosen = found.usable[: found.tuning.top_k]
    return [Passage(n, one.entry.question, one.entry.answer) for n, one in enumerate(chosen, start=1)]


def generated(text: str, found: Found, versions: dict[str, object]) -> Draft:
    return _from(found, "generated", text, versions)


def verbatim(found: Found) -> Draft:
    """The best entry's own words."""
    return _from(found, "verbatim", found.usable[0].entry.answer, {})


def text_found(found: Found) -> Draft:
    """The best entry by words alone."""
    return _from(found, "text_search", found.candidates[0].entry.answer, {})


def suggestions(question: str, found: Found | None, held: wording.Sample) -> Draft:
    """The closest questions and a way to a person. Needs nothing but what the process holds."""
    if found is not None and found.candidates:
        sources = [source(one) for one in found.candidates]
        revisions = _revisions(found.candidates)
    else:
        sources = [
            Source(one.id, one.external_id, one.question, round(score, 4))
            for one, score in held.closest(question, OFFERED)
        ]
        revisions = {}
    guess = found.usable[0] if found and found.usable and found.confidence >= WORTH_SHOWING else None
    return Draft(
        "suggestions",
        _offer(sources[:OFFERED], guess),
        found.confidence if found else 0.0,
        sources,
        revisions=revisions,
        miss=found is not None,
    )


def _offer(sources: Sequence[Source], guess: Candidate | None) -> str:
    parts = []
    if guess:
        parts += [f"This comes closest: {guess.entry.question}", guess.entry.answer]
        sources = [one for one in sources if one.id != guess.entry.pk]
    if sources:
        parts.append("You may also have meant:" if guess else "These questions come closest to yours:")
        parts.append("\n".join(f"• {one.question}" for one in sources))
        parts.append("Pick one of them, or ask again in other words.")
    elif guess:
        parts.append("If that is not it, ask again in other words.")
    else:
        parts.append("The answers are being brought up to date just now. Please ask again in a few minutes.")
    if settings.CONTACT:
        parts.append(f"To reach a person: {settings.CONTACT}")
    return "\n\n".join(parts)


def _from(found: Found, rung: str, text: str, versions: dict[str, object]) -> Draft:
    ranked = found.usable + [one for one in found.candidates if one not in found.usable]
    sources = [source(one) for one in ranked]
    return Draft(
        rung,
        text,
        found.confidence,
        sources,
        did_you_mean=sources[1:4] if outcome_of(found) == Outcome.LIKELY else [],
        revisions=_revisions(ranked),
        versions=versions,
    )


def _revisions(candidates: Sequence[Candidate]) -> dict[str, str]:
    return {one.entry.external_id: one.entry.text_hash for one in candidates}
