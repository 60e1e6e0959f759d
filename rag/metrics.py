"""What is counted while answers are given. Gauges of state are collected elsewhere, at scrape time."""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from rag.errors import Reason

RUNGS = ("exact", "generated", "verbatim", "text_search", "suggestions")
CHANNELS = ("page", "json", "sse")
STAGES = ("embed", "vector", "generate", "database")
BREAKERS = ("vector_store", "generator", "database", "redis")

ANSWERS = Counter("faq_answers_total", "Answers given, by the rung that gave them.", ["rung", "channel"])
FALLBACKS = Counter("faq_fallbacks_total", "Steps down the ladder.", ["stage", "reason"])
ANSWER_SECONDS = Histogram(
    "faq_answer_duration_seconds",
    "From the question to the whole answer.",
    ["rung"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10),
)
STAGE_SECONDS = Histogram(
    "faq_answer_stage_duration_seconds",
    "Parts of that time.",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
FIRST_TEXT_SECONDS = Histogram(
    "faq_answer_first_text_seconds",
    "From the question to the first piece of its answer, on the event stream.",
    buckets=(0.05, 0.1, 0.3, 0.5, 1, 2.5, 5, 10),
)
CONFIDENCE = Histogram(
    "faq_answer_confidence",
    "How sure the answers were that were looked for and not kept: 0 to 1.",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1),
)
MISSES = Counter("faq_misses_total", "Questions for which retrieval ran and found nothing good enough.")
FAILURES = Counter("faq_requests_failed_total", "Requests at the public door that failed on our side.", ["code"])
REFUSALS = Counter("faq_requests_refused_total", "Requests at the public door that were turned down.", ["code"])
ABORTED = Counter("faq_answers_aborted_total", "Streams whose asker left before the answer was whole.")
BUDGET_EXHAUSTED = Counter(
    "faq_gemini_budget_exhausted_total", "Questions not put to Gemini, as the day's tokens did not reach for them."
)
TOKENS = Counter("faq_gemini_tokens_total", "What Gemini was given and gave, as it counts.", ["direction"])
CACHE_REQUESTS = Counter("faq_cache_requests_total", "Look-ups of kept answers.", ["cache", "result"])
FEEDBACK = Counter("faq_feedback_total", "Votes on answers.", ["vote"])
BREAKER_OPEN = Gauge(
    "faq_breaker_open",
    "1 where at least one web process spares this dependency after repeated failures.",
    ["dependency"],
    multiprocess_mode="livemax",
)
BREAKER_TRANSITIONS = Counter(
    "faq_breaker_transitions_total", "Openings and closings of breakers.", ["dependency", "to"]
)


def count_tokens(prompt: int, output: int) -> None:
    TOKENS.labels("prompt").inc(prompt)
    TOKENS.labels("output").inc(output)


def begin() -> None:
    """Every series that alerts look at, from the first scrape on: of one that begins with its first event, the rate
    would not count that event.
    """
    for rung in RUNGS:
        ANSWER_SECONDS.labels(rung)
        for channel in CHANNELS:
            ANSWERS.labels(rung, channel)
    for stage in STAGES:
        for reason in get_args(Reason):
            FALLBACKS.labels(stage, reason)
    for dependency in BREAKERS:
        BREAKER_OPEN.labels(dependency)
        for state in ("open", "closed"):
            BREAKER_TRANSITIONS.labels(dependency, state)
    for code in ("server_error", "unavailable"):
        FAILURES.labels(code)
    REFUSALS.labels("rate_limited")
    for result in ("hit", "miss"):
        CACHE_REQUESTS.labels("answer", result)
    count_tokens(0, 0)
