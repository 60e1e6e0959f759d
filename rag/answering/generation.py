"""Gemini: the one file that knows google-genai. Every fault of it leaves here as GeneratorUnavailable."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from django.conf import settings
from django.utils.module_loading import import_string

from rag import bounded_http
from rag.answering import gemini_key
from rag.answering.generator import Generated, Generator, Gone, Stream, nobody_left
from rag.answering.prompt import Prompt
from rag.bounded_http import Call
from rag.errors import AskerGone, GeneratorUnavailable, Reason
from rag.resilience import Breaker, registered

if TYPE_CHECKING:
    from collections import abc

    import httpx2
    from google.genai import Client
    from google.genai.errors import APIError
    from google.genai.models import Models
    from google.genai.types import Candidate, GenerateContentResponse

    Chunks = abc.Generator[GenerateContentResponse, None, None]

T = TypeVar("T")
# A refused key does not mend itself: Gemini is asked once a minute whether it does now, or when there is another key.
GENERATOR_BREAKER = registered(Breaker("generator", long_rests={"auth": 60.0}))

GOOGLE = "https://generativelanguage.googleapis.com/"
OUTPUT_TOKENS = 2_048  # thoughts count as well
LONGEST_REST = 600.0  # seconds; more we do not let Gemini ask of us


class GeminiGenerator:
    """One client for the life of the process, made at the first question."""

    def __init__(self) -> None:
        self._key: str = gemini_key.current()
        self._model: str = settings.GEMINI_MODEL
        self._base_url: str = settings.GEMINI_BASE_URL or GOOGLE
        self._lock = threading.Lock()
        self._made: tuple[Client, httpx2.Client] | None = None
        self._thinks = True
        self._rests_until = 0.0

    def generate(self, prompt: Prompt, *, seconds: float) -> Generated:
        self.admit()
        answer = _Answer()
        answer.add(self.within(Call(seconds), lambda: self.models().generate_content(**self.asking(prompt))))
        return answer.whole()

    def stream(self, prompt: Prompt, *, seconds: float, gone: Gone = nobody_left) -> Stream:
        self.admit()
        return _GeminiStream(self, prompt, Call(seconds, gone))

    def probe(self, *, seconds: float) -> str:
        """What Gemini calls the model now; a fault where the key is bad or the model gone. Costs no tokens."""
        self.admit()
        model = self.within(Call(seconds), lambda: self.models().get(model=self._model), tries=1)
        return model.version or model.name or self._model

    def close(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made:
            made[1].close()

    def admit(self) -> None:
        """Nothing is asked of Gemini without a key, or in the time for which it asked to be left alone."""
        if not self._key:
            raise GeneratorUnavailable("missing", "GEMINI_API_KEY is not set")
        if (rest := self._rests_until - time.monotonic()) > 0:
            raise GeneratorUnavailable("rate_limited", f"Gemini asked to be left alone for another {rest:.0f} s")

    def models(self) -> Models:
        with self._lock:
            if self._made is None:
                self._made = _connect(self._key, self._base_url)
            return self._made[0].models

    def asking(self, prompt: Prompt) -> dict[str, Any]:
        from google.genai import types

        # No temperature: Google advises against any but the default for its present models.
        config = types.GenerateContentConfig(
            system_instruction=prompt.system,
            max_output_tokens=OUTPUT_TOKENS,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        if self._thinks:
            config.thinking_config = types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW)
        return {"model": self._model, "contents": prompt.contents, "config": config}

    def within(self, call: Call, work: Callable[[], T], *, tries: int = 2) -> T:
        """What `work` gives, inside the time of the call; tried again where that may help.

        Who only looks whether Gemini is back looks once: what fails again and again is not mended by asking more.
        """
        tries = 1 if GENERATOR_BREAKER.is_open else tries
        while True:
            tries -= 1
            try:
                with call:
                    return work()
            except AskerGone:
                raise
            except Exception as error:
                failure = _translated(error)
                again = tries > 0 and self._may_repeat(call, error)
                self._rests_until = max(self._rests_until, time.monotonic() + _rest_asked(error))
            # Raised out here: the SDK's exception holds the key in its request, and must not be chained to ours.
            if not again:
                raise failure

    def _may_repeat(self, call: Call, error: Exception) -> bool:
        code = getattr(error, "code", None)
        if code == 400 and self._thinks and "thinking" in str(error).lower():
            self._thinks = False  # an older model, that cannot be told how much to think
            return True
        pause = random.uniform(0.1, 0.3)  # noqa: S311 (jitter, no secret)
        if code not in (500, 503) or call.deadline.left() < 3 * pause:
            return False
        time.sleep(pause)
        return True


class _GeminiStream:
    def __init__(self, generator: GeminiGenerator, prompt: Prompt, call: Call) -> None:
        self._generator, self._prompt, self._call = generator, prompt, call
        self._chunks: Chunks | None = None
        self._answer = _Answer()

    def __iter__(self) -> Iterator[str]:
        chunk = self._generator.within(self._call, self._first)
        while chunk is not None:
            if piece := self._answer.add(chunk):
                yield piece
            # No second try: what was shown cannot be asked for again.
            chunk = self._generator.within(self._call, self._next, tries=1)
        self._answer.whole()

    @property
    def result(self) -> Generated:
        return self._answer.whole()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._chunks is not None:
            self._chunks.close()

    def _first(self) -> GenerateContentResponse | None:
        asking = self._generator.asking(self._prompt)
        self._chunks = cast("Chunks", self._generator.models().generate_content_stream(**asking))
        return self._next()

    def _next(self) -> GenerateContentResponse | None:
        assert self._chunks is not None
        return next(self._chunks, None)


@dataclass
class _Answer:
    """Grows by what comes in, and says at the end whether it is whole."""

    text: str = ""
    candidates: int = 0
    ended: bool = False
    model_version: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0

    def add(self, response: GenerateContentResponse) -> str:
        if response.prompt_feedback and response.prompt_feedback.block_reason:
            raise GeneratorUnavailable("blocked", f"prompt refused: {response.prompt_feedback.block_reason.value}")
        self.model_version = response.model_version or self.model_version
        if usage := response.usage_metadata:
            self.prompt_tokens = usage.prompt_token_count or self.prompt_tokens
            self.output_tokens = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        pieces = [self._piece(candidate) for candidate in (response.candidates or [])[:1]]
        self.candidates += len(pieces)
        self.text += "".join(pieces)
        return "".join(pieces)

    def _piece(self, candidate: Candidate) -> str:
        if candidate.finish_reason and candidate.finish_reason.value != "STOP":
            raise GeneratorUnavailable("blocked", f"answer not finished: {candidate.finish_reason.value}")
        self.ended = self.ended or candidate.finish_reason is not None
        parts = (candidate.content and candidate.content.parts) or []
        piece = "".join(part.text for part in parts if part.text and not part.thought)
        if "\ufffd" in piece:
            raise GeneratorUnavailable("bad_response", "the answer is not valid UTF-8")
        return piece

    def whole(self) -> Generated:
        if self.model_version and not self.candidates:
            raise GeneratorUnavailable("blocked", "Gemini gave no candidate for an answer")
        if not self.ended:
            raise GeneratorUnavailable("bad_response", "the answer is cut off or none")
        if not self.text.strip():
            raise GeneratorUnavailable("bad_response", "the answer is empty")
        return Generated(self.text, self.model_version, self.prompt_tokens, self.output_tokens)


def _translated(error: Exception) -> GeneratorUnavailable:
    from google.genai.errors import APIError

    if isinstance(error, APIError):
        return _refusal(error)
    if reason := bounded_http.fault(error):
        return GeneratorUnavailable(reason, f"{reason}: {error}" if str(error) else "")
    # Whatever the SDK makes of a reply that is none: JSON, value, type and protocol errors of all kinds.
    return GeneratorUnavailable("bad_response", f"the reply makes no sense ({type(error).__name__})")


_BAD_KEY: tuple[Reason, str] = ("auth", "the key was refused; check GEMINI_API_KEY")
_REFUSALS: dict[int, tuple[Reason, str]] = {
    401: _BAD_KEY,
    403: _BAD_KEY,
    404: ("missing", "no such model; check GEMINI_MODEL and GEMINI_BASE_URL"),
    429: ("rate_limited", "the quota is used up"),
    504: ("timeout", "Gemini took too long"),
}


def _refusal(error: APIError) -> GeneratorUnavailable:
    # Without Gemini's own message: some name the key.
    known = _BAD_KEY if "API_KEY" in str(error.details) else _REFUSALS.get(error.code)
    reason, why = known or ("http_error", "Gemini failed")
    return GeneratorUnavailable(reason, f"HTTP {error.code}: {why}")


def _rest_asked(error: Exception) -> float:
    """Seconds for which a refusal for too many requests asks to be left alone."""
    if getattr(error, "code", None) != 429:
        return 0.0
    header = str(getattr(getattr(error, "response", None), "headers", {}).get("retry-after", ""))
    delay = re.search(r"'retryDelay': '(\d+)", str(getattr(error, "details", "")))
    return min(float(header) if header.isdecimal() else float(delay[1]) if delay else 0.0, LONGEST_REST)


def _connect(key: str, base_url: str) -> tuple[Client, httpx2.Client]:
    from google import genai
    from google.genai import types

    http = bounded_http.client(base_url)
    # No timeout here: the SDK would tell it to Gemini, which refuses any below ten seconds.
    options = types.HttpOptions(base_url=base_url, api_version="v1beta", httpx_client=http)
    return genai.Client(vertexai=False, api_key=key, http_options=options), http


_lock = threading.Lock()
_in_use: tuple[tuple[object, ...], Generator] | None = None


def get_generator() -> Generator | None:
    """The one that settings.GENERATOR names, made once for each process; None where none is wanted."""
    global _in_use
    if not settings.GENERATOR:
        return None
    # The process is part of it: connections must not be shared across a fork.
    names = ("GENERATOR", "GEMINI_MODEL", "GEMINI_BASE_URL")
    wanted = (os.getpid(), gemini_key.current(), *(getattr(settings, name) for name in names))
    with _lock:
        if _in_use is None or _in_use[0] != wanted:
            if _in_use:
                _in_use[1].close()
                if GENERATOR_BREAKER.is_open and not GENERATOR_BREAKER.tripped:
                    GENERATOR_BREAKER.reset()  # what the old key or address did says nothing about the new one
            _in_use = wanted, import_string(settings.GENERATOR)()
        return _in_use[1]
