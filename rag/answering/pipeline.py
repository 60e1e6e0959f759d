"""A question to an answer: exact, by meaning, generated or verbatim, by words, and at last what comes closest."""

from __future__ import annotations

import collections.abc
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from uuid import UUID, uuid4

from django.conf import settings

from faq import versions, wording
from rag.answering import breaker_orders, cache, conversation, ladder, noting, phrasing, prompt, receipts, retrieval
from rag.answering.answers import Answer, Delta, Draft, Meta, Source
from rag.answering.confidence import Outcome
from rag.answering.database import asking, bounded
from rag.answering.generation import GENERATOR_BREAKER, get_generator
from rag.answering.generator import Generator, Gone, nobody_left
from rag.answering.generator_probe import tell
from rag.answering.phrasing import KEPT_FOR_THE_END
from rag.answering.probes import VECTOR_BREAKER as VECTOR_BREAKER
from rag.answering.retrieval import Found
from rag.answering.single_flight import Flight, SingleFlight
from rag.answering.trace import Trace
from rag.answering.tuning import Tuning
from rag.errors import ServiceUnavailable
from rag.models import Receipt
from rag.resilience import Deadline, breakers

T = TypeVar("T")
# Text as it comes, and at the end what it was for.
Pieces: TypeAlias = collections.abc.Generator[Delta, None, T]

__all__ = ["GENERATOR_BREAKER", "Answer", "Delta", "Meta", "Source", "Tried", "answer", "breakers", "stream", "try_out"]

_Landed: TypeAlias = tuple[Draft, list[list[str]]]  # and its fallbacks
_flights: SingleFlight[_Landed] = SingleFlight()

TRIAL = "trial"
UNRECORDED = {"suite", TRIAL}


@dataclass
class _Asked:
    """One question on its way down the ladder."""

    question: str
    channel: str
    conversation: UUID
    trace: Trace
    deadline: Deadline
    tuning: Tuning = field(default_factory=Tuning.of_settings)
    listener: Gone | None = None  # of a stream: whether he is gone
    generator: Generator | None = field(default_factory=get_generator)
    id: UUID = field(default_factory=uuid4)
    version: int | None = None
    before: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Tried:
    """An answer that was only tried, the receipt that it would have left, and how it came about."""

    answer: Answer
    receipt: Receipt
    trace: Trace


def answer(question: str, *, conversation: UUID | None = None, request_id: str = "", channel: str = "json") -> Answer:
    """The whole answer at once. Always one, whatever is down behind; never empty."""
    *_, last = stream(question, conversation=conversation, request_id=request_id, channel=channel)
    assert isinstance(last, Answer)
    return last


def stream(
    question: str,
    *,
    conversation: UUID | None = None,
    request_id: str = "",
    channel: str = "sse",
    gone: Gone = nobody_left,
) -> Iterator[Meta | Delta | Answer]:
    """Meta first, pieces of text as they come, and at the end the answer, which replaces them.

    Raises AskerGone where `gone` says so while Gemini is waited for.
    """
    began = time.perf_counter()
    asked = _Asked(
        question=question,
        channel=channel,
        conversation=conversation or uuid4(),
        trace=Trace(request_id),
        deadline=Deadline(settings.RAG_DEADLINE_SECONDS),
        listener=gone if channel == "sse" else None,
    )
    yield Meta(asked.id, asked.conversation, request_id)
    _look_back(asked, known=conversation is not None)
    draft, cached = yield from _found_once(asked)
    yield _finish(asked, draft, cached=cached, began=began)


def try_out(question: str, tuning: Tuning | None = None, *, generate: bool = True) -> Tried:
    """As it would be answered now with these values, and how it came about. Nothing is kept, recorded or counted."""
    began = time.perf_counter()
    asked = _Asked(question, TRIAL, uuid4(), Trace(counted=False), Deadline(settings.RAG_DEADLINE_SECONDS))
    asked.tuning = tuning or asked.tuning
    asked.generator = asked.generator if generate else None
    _look_back(asked, known=False)
    steps = _descend(asked)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            draft: Draft = end.value
            break
    given = _finish(asked, draft, cached=False, began=began)
    return Tried(given, receipts.made(question, given, draft, asked.trace), asked.trace)


def _found_once(asked: _Asked) -> Pieces[tuple[Draft, bool]]:
    """The draft, and whether it was found for somebody else: before and kept, or just now."""
    if asked.version is None:
        return (yield from _descend(asked)), False
    key = cache.key(asked.question, asked.version, asked.before)
    while (left := asked.deadline.left() - 2 * KEPT_FOR_THE_END) > 0:
        with _flights.join(key) as (flight, leads):
            if leads:
                return (yield from _lead(asked, flight, key))
            found = flight.wait(left)
        if found is not None:
            draft, fallbacks = found
            for stage, reason in fallbacks:
                asked.trace.fell_back(stage, reason)
            return draft, True
        # Its asker left, or it took too long: the next one leads, if there is time.
    asked.generator = None
    asked.trace.fell_back("generate", "timeout")
    return (yield from _descend(asked)), False


def _lead(asked: _Asked, flight: Flight[_Landed], key: str) -> Pieces[tuple[Draft, bool]]:
    draft = cache.find(key)
    cached = draft is not None
    if draft is None:
        draft = yield from _descend(asked)
        if not asked.trace.degraded:
            cache.keep(key, draft)
    flight.found = draft, asked.trace.fallbacks
    return draft, cached


def _look_back(asked: _Asked, *, known: bool) -> None:
    """What the content stands at, and what was asked before in this conversation."""
    if known:
        receipts.settle(asked.conversation)
    try:
        with asking(asked.deadline):
            asked.version = versions.current()
            breaker_orders.look()
            asked.before = conversation.history(asked.conversation if known else None)
    except ServiceUnavailable as error:
        asked.trace.fell_back("database", error.reason, error.detail)


def _descend(asked: _Asked) -> Pieces[Draft]:
    """Rung by rung, until one gives an answer. The last one always does."""
    with bounded(asked.deadline):
        held = wording.sample(asked.version)
    draft = _exact(asked, held)
    if draft is None:
        found = _by_meaning(asked, held)
        if found is not None and found.candidates:
            draft = (yield from _from_meaning(asked, found)) or _from_words(asked, _by_words(asked, held, late=True))
        else:
            asked.trace.left("verbatim", "nothing found by meaning")
            found = _by_words(asked, held)
            draft = _from_words(asked, found)
        if draft is None:
            draft = ladder.suggestions(asked.question, found, held)
    asked.trace.gave(draft.rung)
    if draft.rung != "generated":
        yield Delta(draft.text)
    return draft


def _exact(asked: _Asked, held: wording.Sample) -> Draft | None:
    if held.knows_it_is_new(asked.question, asked.version):
        asked.trace.left("exact", "no such question")
        return None
    try:
        with asked.trace.timed("exact"), asking(asked.deadline):
            draft = ladder.exact(asked.question)
    except ServiceUnavailable as error:
        asked.trace.left("exact", error.reason)
        asked.trace.fell_back("database", error.reason, error.detail)
        return None
    if draft is None:
        asked.trace.left("exact", "no such question")
    return draft


def _by_meaning(asked: _Asked, held: wording.Sample) -> Found | None:
    """None when it could not be asked at all. A question that leans on the one before is asked with it."""
    found = _search(asked, asked.question, held)
    if found is None or ladder.outcome_of(found) != Outcome.UNSURE:
        return found
    whole = conversation.in_context(asked.question, asked.before)
    with_context = _search(asked, whole, held) if whole else None
    return with_context if with_context and with_context.confidence > found.confidence else found


def _search(asked: _Asked, text: str, held: wording.Sample) -> Found | None:
    stage = "embed"
    try:
        with asked.trace.timed("embed"):
            vector = retrieval.embedded(text)
        stage = "vector"
        with asked.trace.timed("vector"), VECTOR_BREAKER.guard():
            matches = retrieval.nearest(vector, version=asked.version, seconds=asked.deadline.left() / 2)
        stage = "database"
        with asked.trace.timed("rank"), asking(asked.deadline):
            found = retrieval.rank_by_meaning(text, matches, held, asked.tuning, version=asked.version)
        return asked.trace.looked("meaning", text, found)
    except ServiceUnavailable as error:
        asked.trace.fell_back(stage, error.reason, error.detail)
    return None


def _by_words(asked: _Asked, held: wording.Sample, *, late: bool = False) -> Found | None:
    """`late`: meaning was searched and fell short; then only what its index does not hold yet can be missing."""
    try:
        with asked.trace.timed("text"), asking(asked.deadline):
            found = retrieval.rank_by_words(
                asked.question, held, asked.tuning, not_indexed_yet=late, version=asked.version
            )
        return asked.trace.looked("words", asked.question, found)
    except ServiceUnavailable as error:
        asked.trace.left("text_search", error.reason)
        asked.trace.fell_back("database", error.reason, error.detail)
        return None


def _from_meaning(asked: _Asked, found: Found) -> Pieces[Draft | None]:
    if ladder.outcome_of(found) == Outcome.UNSURE:
        asked.trace.left("verbatim", "not sure enough")
        return None
    return (yield from _generated(asked, found)) or ladder.verbatim(found)


def _from_words(asked: _Asked, found: Found | None) -> Draft | None:
    if found is None:
        return None
    if ladder.outcome_of(found) == Outcome.UNSURE:
        asked.trace.left("text_search", "not sure enough")
        return None
    return ladder.text_found(found)


def _generated(asked: _Asked, found: Found) -> Pieces[Draft | None]:
    if asked.generator is None:
        asked.trace.left("generated", "missing")
        return None
    asking = prompt.build(asked.question, ladder.passages(found), asked.before)
    asked.trace.prompt = asking
    try:
        with asked.trace.timed("generate"), GENERATOR_BREAKER.guard():
            text, model = yield from phrasing.phrased(asked.generator, asking, asked.deadline, asked.listener)
    except ServiceUnavailable as error:
        asked.trace.left("generated", error.reason)
        asked.trace.fell_back("generate", error.reason, error.detail)
        tell(error.reason)
        return None
    return ladder.generated(text, found, {"model": model, "prompt": prompt.PROMPT_VERSION})


def _finish(asked: _Asked, draft: Draft, *, cached: bool, began: float) -> Answer:
    asked.trace.milliseconds["total"] = round(1000 * (time.perf_counter() - began), 2)
    finished = Answer(
        id=asked.id,
        answer=draft.text,
        answered_by=draft.rung,
        degraded=asked.trace.degraded,
        cached=cached,
        confidence=round(draft.confidence, 4),
        sources=draft.sources,
        conversation=asked.conversation,
        request_id=asked.trace.request_id,
        did_you_mean=draft.did_you_mean,
    )
    if asked.channel == TRIAL:
        return finished
    recorded = asked.channel not in UNRECORDED
    noting.note(finished, draft, asked.trace, asked.channel, by_asker=recorded)
    if recorded:
        receipts.write(asked.question, finished, draft, asked.trace)
    return finished
