"""What goes in and out of the public door: the contract as types, from which the OpenAPI document is made."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from django.urls import get_script_prefix, reverse
from pydantic import AfterValidator, BaseModel, Field, StrictStr
from pydantic_core import PydanticCustomError

from rag.chat.cleaning import clean, is_blank, is_storable

if TYPE_CHECKING:
    from rag.answering.pipeline import Answer, Source

# The model reads about this much of a question; what came after would be ignored without a word.
QUESTION_LENGTH = 1_000
REASON_LENGTH = 500

UNSTORABLE = "must not hold NUL characters or lone surrogates. Take them out."
BLANK = "is empty, or holds nothing that can be seen. Ask in a few words."
TOO_LONG = f"is longer than {QUESTION_LENGTH:,} characters. Ask it in fewer words."
REASON_TOO_LONG = f"is longer than {REASON_LENGTH} characters. Say it in fewer words."

AnsweredBy = Literal["exact", "generated", "verbatim", "text_search", "suggestions"]


def _storable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("text_unstorable", UNSTORABLE)
    return clean(text)


def _question(text: str) -> str:
    if is_blank(text):
        raise PydanticCustomError("question_blank", BLANK)
    if len(text) > QUESTION_LENGTH:
        raise PydanticCustomError("question_too_long", TOO_LONG)
    return text


def _reason(text: str) -> str:
    if len(text) > REASON_LENGTH:
        raise PydanticCustomError("reason_too_long", REASON_TOO_LONG)
    return text


Clean = Annotated[StrictStr, AfterValidator(_storable)]


class ChatRequest(BaseModel):
    """A question. Keys that are not listed here are ignored, so that newer clients can ask older servers."""

    question: Annotated[Clean, AfterValidator(_question)] = Field(
        description="In plain words. Control, bidirectional and zero-width characters are taken out and white"
        f" space is collapsed; then 1 to {QUESTION_LENGTH:,} characters must be left, one of them visible.",
        json_schema_extra={"minLength": 1, "maxLength": QUESTION_LENGTH},
        examples=["How do I import my FAQ?"],
    )
    conversation: UUID | None = Field(
        None, description="The `conversation` of an earlier answer, so that a follow-up keeps its context."
    )


@lru_cache(maxsize=4_096)
def _address(external_id: str, script_prefix: str) -> str:
    """`script_prefix` is where the site begins, which reverse() reads for itself."""
    return reverse("entry", args=[external_id])


class SourceOut(BaseModel):
    """An entry that the answer rests on; for `suggestions`, one that may be what was meant."""

    id: int
    external_id: str
    question: str
    score: float = Field(description="How well it fits; only the order matters.")
    url: str = Field(description="The entry's own page, as a path on this host.")

    @classmethod
    def of(cls, source: Source) -> SourceOut:
        return cls(
            id=source.id,
            external_id=source.external_id,
            question=source.question,
            score=source.score,
            url=_address(source.external_id, get_script_prefix()),
        )


class ChatResponse(BaseModel):
    """An answer. There always is one; `answered_by` and `degraded` say how it came about."""

    id: UUID = Field(description="The answer's receipt; feedback goes to it.")
    answer: str = Field(description="Plain text with line breaks. Not Markdown, not HTML.")
    answered_by: AnsweredBy = Field(
        description="`exact`: the question is an entry's own. `generated`: written from the sources."
        " `verbatim`: the best entry's own words. `text_search`: found by words, not by meaning."
        " `suggestions`: nothing was close enough, so the nearest questions are offered."
    )
    degraded: list[str] = Field(description="Stages that could not help; empty when all is well.")
    cached: bool
    confidence: float = Field(ge=0, le=1)
    sources: list[SourceOut] = Field(description="Best first, also for `suggestions`.")
    conversation: UUID = Field(description="Send it along with a follow-up.")
    request_id: str = Field(description="Name it when you report a problem.")
    did_you_mean: list[SourceOut] | None = Field(
        None,
        description="Only when asked for with `?did_you_mean=1`: other questions that may have been meant.",
    )

    @classmethod
    def of(cls, answer: Answer) -> ChatResponse:
        sources = [SourceOut.of(source) for source in answer.sources]
        plain = {name: getattr(answer, name) for name in cls.model_fields if hasattr(answer, name)}
        return cls.model_validate({**plain, "sources": sources, "did_you_mean": None})


class FeedbackRequest(BaseModel):
    """A vote on an answer; null takes it back."""

    vote: Literal["up", "down"] | None
    reason: Annotated[Clean, AfterValidator(_reason)] | None = Field(
        None,
        description=f"Why, in at most {REASON_LENGTH} characters.",
        json_schema_extra={"maxLength": REASON_LENGTH},
    )


class FeedbackResponse(BaseModel):
    id: UUID
    vote: Literal["up", "down"] | None


class ErrorDetail(BaseModel):
    code: str = Field(description="For programs: stays the same when the wording changes.")
    message: str = Field(description="For people: what is wrong and the way out. Never quotes what was sent.")
    request_id: str


class ErrorResponse(BaseModel):
    error: ErrorDetail


class StreamMeta(BaseModel):
    """The event `meta`: comes first."""

    id: UUID
    conversation: UUID
    request_id: str


class StreamDelta(BaseModel):
    """The event `delta`: the next piece of the answer's text."""

    text: str


def as_json(model: BaseModel) -> dict[str, Any]:
    """As it is sent. Of the contract's keys none may be missing or null, so only optional ones are null."""
    sent: dict[str, Any] = model.model_dump(mode="json")
    if isinstance(model, ChatResponse) and model.did_you_mean is None:
        del sent["did_you_mean"]
    return sent
