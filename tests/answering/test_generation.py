"""Gemini by the real SDK, at a server that answers as badly as one can."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from rag.answering import generation, prompt
from rag.answering.generation import GeminiGenerator, get_generator
from rag.answering.generator import Generated
from rag.answering.prompt import Passage
from rag.errors import GeneratorUnavailable, Reason
from tests.standins.gemini import API_KEY, BEHAVIOURS, MODEL_VERSION, GeminiStandIn

PROMPT = prompt.build("How do I pay?", [Passage(1, "How to pay?", "By card or by bank. Or not at all.")])
ANSWER = Generated("By card or by bank. [1]", MODEL_VERSION, 40, 8)
ENOUGH = 20.0  # seconds, for what is answered at once

Ask = Callable[[GeminiGenerator, float], Generated]


@pytest.fixture
def generator(gemini: GeminiStandIn, settings: Settings) -> Iterator[GeminiGenerator]:
    settings.GENERATOR = "rag.answering.generation.GeminiGenerator"
    settings.GEMINI_API_KEY, settings.GEMINI_MODEL, settings.GEMINI_BASE_URL = API_KEY, "gemini-x", gemini.url
    made = GeminiGenerator()
    yield made
    made.close()


def at_once(generator: GeminiGenerator, seconds: float = ENOUGH) -> Generated:
    return generator.generate(PROMPT, seconds=seconds)


def in_pieces(generator: GeminiGenerator, seconds: float = ENOUGH) -> Generated:
    with generator.stream(PROMPT, seconds=seconds) as stream:
        pieces = list(stream)
        assert len(pieces) > 3
        assert "".join(pieces) == stream.result.text
        return stream.result


BOTH = pytest.mark.parametrize("ask", [at_once, in_pieces])


def refusal(ask: Ask, generator: GeminiGenerator, seconds: float = ENOUGH) -> GeneratorUnavailable:
    with pytest.raises(GeneratorUnavailable) as caught:
        ask(generator, seconds)
    return caught.value


class TestAnAnswer:
    def test_comes_whole_with_its_model_and_tokens(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        assert at_once(generator) == ANSWER
        asked = gemini.requests[0]
        assert (asked.path, asked.key) == ("/v1beta/models/gemini-x:generateContent", API_KEY)
        assert (asked.prompt, asked.system) == (PROMPT.contents, PROMPT.system)

    def test_comes_in_pieces_without_the_thoughts(self, generator: GeminiGenerator) -> None:
        assert in_pieces(generator).text == ANSWER.text

    def test_may_take_its_time_within_the_limit(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        gemini.first_token_delay = 0.3
        assert in_pieces(generator).text == ANSWER.text

    def test_needs_one_connection_for_many(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        for _ in range(3):
            at_once(generator)
        assert len(gemini.connections) == 1

    def test_of_a_stream_is_there_only_at_its_end(self, generator: GeminiGenerator) -> None:
        with generator.stream(PROMPT, seconds=ENOUGH) as stream:
            next(iter(stream))
            with pytest.raises(GeneratorUnavailable, match="cut off"):
                stream.result  # noqa: B018  # reading it is what fails


# Its reason asked at once, asked in pieces (None: answered all the same), and how often Gemini is asked.
FAULTS: dict[str, tuple[Reason | None, Reason | None, int]] = {
    "401": ("auth", "auth", 1),
    "403": ("auth", "auth", 1),
    "404": ("missing", "missing", 1),
    "429": ("rate_limited", "rate_limited", 1),
    "500": ("http_error", "http_error", 2),
    "503": ("http_error", "http_error", 2),
    "bad_gateway": ("http_error", "http_error", 1),
    "bad_key": ("auth", "auth", 1),
    "bad_request": ("http_error", "http_error", 1),
    "bad_utf8": ("bad_response", "bad_response", 1),
    "broken_json": ("bad_response", "bad_response", 1),
    "candidate_blocked": ("blocked", "blocked", 1),
    "cut": ("bad_response", "bad_response", 1),
    "deadline_too_short": ("http_error", "http_error", 1),
    "disconnect": ("bad_response", "bad_response", 1),
    "drip": ("timeout", "timeout", 1),
    "drip_headers": ("timeout", "timeout", 1),
    "empty_text": ("bad_response", "bad_response", 1),
    "good": (None, None, 1),
    "hang": ("timeout", "timeout", 1),
    "html": ("bad_response", "bad_response", 1),
    "list": ("bad_response", "bad_response", 1),
    "max_tokens": ("blocked", "blocked", 1),
    "midway_error": (None, "http_error", 1),
    "no_candidates": ("blocked", "blocked", 1),
    "no_thinking": (None, None, 2),
    "prompt_blocked": ("blocked", "blocked", 1),
    "recitation": ("blocked", "blocked", 1),
    "redirect": ("http_error", "http_error", 1),
    "stall": (None, "timeout", 1),
    "wrong_types": ("bad_response", "bad_response", 1),
}


class TestAFault:
    def test_of_every_kind_is_tried(self) -> None:
        assert FAULTS.keys() == BEHAVIOURS

    @pytest.mark.fault(11, 12, 13, 14, 15)
    @BOTH
    @pytest.mark.parametrize("behaviour", FAULTS)
    def test_has_its_reason_and_keeps_the_time(
        self, generator: GeminiGenerator, gemini: GeminiStandIn, ask: Ask, behaviour: str
    ) -> None:
        at_once(generator)  # the SDK is loaded now
        gemini.requests.clear()
        gemini.drip_seconds = 0.1  # shorter than any time limit of a single read
        gemini.behave(behaviour)
        whole, streamed, times = FAULTS[behaviour]
        reason = whole if ask is at_once else streamed
        seconds = 0.6 if reason == "timeout" else ENOUGH
        began = time.monotonic()
        if reason is None:
            assert ask(generator, seconds).text == ANSWER.text
        else:
            assert refusal(ask, generator, seconds).reason == reason
        assert time.monotonic() - began < 2 * seconds + 1
        assert len(gemini.requests) == times

    @BOTH
    def test_of_a_server_that_is_gone_is_refused(
        self, generator: GeminiGenerator, gemini: GeminiStandIn, ask: Ask
    ) -> None:
        at_once(generator)
        gemini.stop()
        assert refusal(ask, generator).reason == "refused"

    @BOTH
    @pytest.mark.parametrize("code", ["500", "503"])
    def test_that_passes_is_not_noticed(
        self, generator: GeminiGenerator, gemini: GeminiStandIn, ask: Ask, code: str
    ) -> None:
        gemini.behave(code, "good")
        assert ask(generator, ENOUGH).text == ANSWER.text

    @BOTH
    def test_is_not_tried_again_without_time(self, generator: GeminiGenerator, gemini: GeminiStandIn, ask: Ask) -> None:
        at_once(generator)
        gemini.behave("503", "good")
        assert refusal(ask, generator, 0.25).reason in ("http_error", "timeout")
        assert len(gemini.requests) == 2

    def test_in_mid_stream_comes_after_the_pieces(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        gemini.behave("midway_error")
        seen = ""
        with pytest.raises(GeneratorUnavailable), generator.stream(PROMPT, seconds=ENOUGH) as stream:
            for piece in stream:
                seen += piece
        assert seen == "By card or"

    def test_of_no_time_left_asks_nobody(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        assert refusal(at_once, generator, 0).reason == "timeout"
        assert gemini.requests == []


class TestARest:
    @pytest.mark.fault(10)
    def test_that_gemini_asks_for_is_given(
        self, generator: GeminiGenerator, gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gemini.behave("429", "good")
        refusal(at_once, generator)
        for ask in (at_once, in_pieces):
            assert refusal(ask, generator).reason == "rate_limited"
        assert len(gemini.requests) == 1
        later = time.monotonic() + gemini.retry_after + 1
        monkeypatch.setattr("rag.answering.generation.time.monotonic", lambda: later)
        assert at_once(generator).text == ANSWER.text

    def test_is_not_given_for_ever(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        gemini.retry_after = 10**9
        gemini.behave("429")
        refusal(at_once, generator)
        assert f"another {generation.LONGEST_REST:.0f} s" in str(refusal(at_once, generator))


class TestTheKey:
    @BOTH
    @pytest.mark.parametrize("behaviour", ["403", "bad_key", "429", "broken_json", "disconnect"])
    def test_is_in_no_error_and_in_no_log(
        self,
        generator: GeminiGenerator,
        gemini: GeminiStandIn,
        ask: Ask,
        behaviour: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        gemini.behave(behaviour)
        error = refusal(ask, generator)
        said = "".join(traceback.format_exception(error)) + repr(error.args) + error.detail
        assert API_KEY not in said
        assert error.__cause__ is None and error.__context__ is None
        assert API_KEY not in caplog.text

    def test_that_is_not_set_is_said_without_asking(self, generator: GeminiGenerator, settings: Settings) -> None:
        settings.GEMINI_API_KEY = None
        error = refusal(at_once, GeminiGenerator())
        assert (error.reason, error.detail) == ("missing", "GEMINI_API_KEY is not set")


class TestHangingUp:
    def test_follows_when_the_asker_leaves_in_mid_stream(
        self, generator: GeminiGenerator, gemini: GeminiStandIn
    ) -> None:
        gemini.behave("stall")
        with generator.stream(PROMPT, seconds=ENOUGH) as stream:
            assert next(iter(stream)) == "By"
        enough = time.monotonic() + 10
        while gemini.disconnects == 0 and time.monotonic() < enough:
            time.sleep(0.01)
        assert gemini.disconnects == 1


class TestTheProbe:
    def test_names_the_model_without_spending_tokens(self, generator: GeminiGenerator, gemini: GeminiStandIn) -> None:
        assert generator.probe(seconds=ENOUGH) == MODEL_VERSION
        assert [one.method for one in gemini.requests] == ["GET"]

    @pytest.mark.parametrize(("behaviour", "reason"), [("404", "missing"), ("401", "auth"), ("hang", "timeout")])
    def test_says_what_is_wrong(
        self, generator: GeminiGenerator, gemini: GeminiStandIn, behaviour: str, reason: Reason
    ) -> None:
        gemini.behave(behaviour)
        with pytest.raises(GeneratorUnavailable) as caught:
            generator.probe(seconds=2)
        assert caught.value.reason == reason


class TestTheOneInUse:
    def test_is_made_once_and_again_when_the_settings_change(
        self, generator: GeminiGenerator, settings: Settings
    ) -> None:
        first = get_generator()
        assert first is not None and first is get_generator()
        settings.GEMINI_MODEL = "gemini-y"
        assert get_generator() is not first

    def test_is_made_again_after_a_fork(self, generator: GeminiGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
        first = get_generator()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert get_generator() is not first

    def test_is_none_where_none_is_wanted(self, settings: Settings) -> None:
        settings.GENERATOR = None
        assert get_generator() is None

    def test_is_not_loaded_before_it_is_asked(self) -> None:
        code = "import sys, rag.answering.generation; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert "rag.answering.generation" in loaded.split()
        assert not {"google.genai", "httpx2", "httpcore2"} & set(loaded.split())
