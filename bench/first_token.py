"""The first piece of an event stream, with a stand-in for Gemini that takes a fixed time: how much we add to it."""

from __future__ import annotations

import json
import statistics
import time
from urllib.request import Request

from bench import questions
from bench.row import Row
from bench.serving import OPENER, Ground, token
from tests.standins.gemini import API_KEY, GeminiStandIn

DELAY = 0.5
ASKED = 15


def first_token(ground: Ground) -> Row:
    with GeminiStandIn() as gemini:
        gemini.first_token_delay = DELAY
        with ground.product(workers=1, GEMINI_API_KEY=API_KEY, GEMINI_BASE_URL=gemini.url) as product:
            headers = {**token(product.url), "Content-Type": "application/json", "Accept": "text/event-stream"}
            waited = []
            # Some of them are answered word for word or not at all; only what came from Gemini counts.
            for question in questions.distinct(10 * ASKED):
                seen = len(gemini.requests)
                seconds = _until_first_piece(f"{product.url}/api/chat/", headers, question)
                if len(gemini.requests) > seen:
                    waited.append(seconds)
                if len(waited) > ASKED:
                    break
    assert len(waited) > ASKED, "hardly any question went to Gemini"
    median = statistics.median(waited[1:])  # the first one makes the connection
    return Row(
        "first token of an event stream, of the stand-in Gemini's fixed delay",
        median / DELAY,
        f"{1_000 * median:.0f} ms : {1_000 * DELAY:.0f} ms",
        1.1,
        "at most",
    )


def _until_first_piece(url: str, headers: dict[str, str], question: str) -> float:
    body = json.dumps({"question": question}).encode()
    began = time.perf_counter()
    with OPENER.open(Request(url, body, headers)) as stream:
        seconds = next(time.perf_counter() - began for line in stream if line.startswith(b"event: delta"))
        stream.read()
    return seconds
