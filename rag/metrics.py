"""What is counted while answers are given. Gauges of state are collected elsewhere, at scrape time."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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
