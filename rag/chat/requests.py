"""What an asker sent: read strictly, and refused with the rule and the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from rag.chat.errors import Refused
from rag.chat.limits import BODY_BYTES, TOO_LARGE, check_size
from rag.chat.schema import ChatRequest
from rag.tracing import asked

Body = TypeVar("Body", bound=BaseModel)

NOT_JSON = "The body is not valid JSON in UTF-8 (without a byte order mark). Send one object, each key once."
NOT_AN_OBJECT = 'The body must be a JSON object such as {"question": "How do I import my FAQ?"}.'
NOT_THIS_TYPE = "Send the body as Content-Type: application/json, in UTF-8."
RULES = {
    "question": 'must be given as text, such as {"question": "How do I import my FAQ?"}.',
    "conversation": "must be the conversation of an earlier answer, a UUID. Leave it out to begin a new one.",
    "vote": 'must be given as "up", "down" or null.',
    "reason": "must be text. Leave it out when there is none.",
}
# Our own validators write whole sentences; pydantic's would quote the input.
OWN_ERRORS = frozenset({"text_unstorable", "question_blank", "question_too_long", "reason_too_long"})


def read(request: HttpRequest, model: type[Body]) -> Body:
    """The JSON body as this model, or Refused."""
    check_type(request)
    check_size(request)
    return _noted(_validated(model, _object(_body(request))))


def read_form(request: HttpRequest) -> ChatRequest:
    """The question from the page's own form. A conversation that is none begins a new one."""
    fields = {"question": request.POST.get("question")}
    conversation = request.POST.get("conversation")
    if not conversation:
        return _noted(_validated(ChatRequest, fields))
    try:
        return _noted(_validated(ChatRequest, fields | {"conversation": conversation}))
    except Refused as refused:
        if refused.code != "invalid_conversation":
            raise
        return _noted(_validated(ChatRequest, fields))


def _noted(body: Body) -> Body:
    """So that no line of the log repeats what was asked."""
    if isinstance(body, ChatRequest):
        asked.set(body.question)
    return body


def check_type(request: HttpRequest) -> None:
    charset = (request.content_params or {}).get("charset", "utf-8").strip("\"'").lower()
    if request.content_type != "application/json" or charset not in {"utf-8", "utf8"}:
        raise Refused(415, "unsupported_media_type", NOT_THIS_TYPE, {"Accept": "application/json"})


def _body(request: HttpRequest) -> bytes:
    """Django reads no further than the announced length; what comes in chunks announces none."""
    ends_itself = request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH")
    source = request.META["wsgi.input"] if ends_itself else request
    try:
        body: bytes = source.read(BODY_BYTES + 1)
    except OSError:
        raise Refused(400, "incomplete_body", "The body broke off. Send it again.") from None
    if len(body) > BODY_BYTES:
        raise Refused(413, "body_too_large", TOO_LARGE)
    return body


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body.decode(), object_pairs_hook=_each_key_once, parse_constant=_no_such_number)
    except (ValueError, RecursionError):
        raise Refused(400, "invalid_json", NOT_JSON) from None
    if not isinstance(value, dict):
        raise Refused(400, "invalid_json", NOT_AN_OBJECT)
    return value


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Readers disagree on which of two equal keys counts, and that is how filters are slipped past."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_such_number(name: str) -> object:
    """NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError


def _validated(model: type[Body], fields: Mapping[str, object]) -> Body:
    try:
        return model.model_validate(fields)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(error["loc"][0])
    if error["type"] in OWN_ERRORS:
        raise Refused(400, error["type"], f"The {field} {error['msg']}")
    raise Refused(400, f"invalid_{field}", f"The {field} {RULES[field]}")
