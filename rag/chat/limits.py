"""How many questions an asker may ask, and how much may be sent at once."""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from rag.chat.addresses import asker, request_id
from rag.chat.errors import Refused, json_error, page_error

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import MovingWindowRateLimiter

logger = logging.getLogger(__name__)

BODY_BYTES = 16 * 1024
TOO_LARGE = f"What was sent is larger than {BODY_BYTES // 1024} KiB. Ask a shorter question."
# How long the process counts alone after Redis failed: a dead Redis costs one short wait, not one a question.
ALONE_SECONDS = 10.0
REDIS_SECONDS = 0.25


def check_rate(request: HttpRequest, what: str) -> None:
    """Refuse with 429 whoever is over the limit; while limits only log, log that."""
    wait = seconds_to_wait(settings.RATE_LIMIT_CHAT, what, asker(request))
    if wait is None:
        return
    enforced = bool(settings.RATE_LIMIT_ENFORCED)
    says = "rate limit refused a request" if enforced else "rate limit would refuse"
    logger.warning(says, extra={"request_id": request_id(request), "scope": what, "retry_after": wait})
    if enforced:
        message = f"Too many questions. Try again in {wait} s."
        raise Refused(429, "rate_limited", message, {"Retry-After": str(wait)})


def seconds_to_wait(rule: str, *key: str, times: int = 1) -> int | None:
    """Count one for this key. None when it may pass, else the seconds until the next may.

    `rule` is such as "30/minute"; `times` as many pass.
    """
    return _counter().wait(_rule(rule, times), *key)


def check_size(request: HttpRequest) -> None:
    """By what the request announces, before any of it is read."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_BYTES:
        raise Refused(413, "body_too_large", TOO_LARGE)


def load() -> None:
    """The library, and nothing made of it: a counter starts a thread, which must not cross a fork."""
    import limits.storage
    import limits.strategies  # noqa: F401  # loaded, not used


class BodySize:
    """Middleware: large bodies are refused before the CSRF check reads a form in search of its token.

    At the public door only: an import in the console is larger, and its own rules apply.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        api = request.path.startswith("/api/")
        if api or request.path == "/":
            try:
                check_size(request)
            except Refused as refused:
                return json_error(request, refused) if api else page_error(request, refused)
        return self.get_response(request)


class Counter:
    """Counts in Redis, all processes together; in this process alone while Redis does not answer."""

    def __init__(self, redis_url: str) -> None:
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        self._alone = MovingWindowRateLimiter(MemoryStorage())
        self._shared = _shared(redis_url) if redis_url else None
        self._alone_until = -math.inf

    def wait(self, rule: RateLimitItem, *key: str) -> int | None:
        """None when this one may pass, else the whole seconds until the next may."""
        from limits.errors import StorageError

        if self._shared and time.monotonic() >= self._alone_until:
            try:
                return _wait(self._shared, rule, *key)
            except StorageError as error:
                self._alone_until = time.monotonic() + ALONE_SECONDS
                logger.warning("rate limits: Redis did not answer (%s), counting alone", error)
        return _wait(self._alone, rule, *key)


def _shared(redis_url: str) -> MovingWindowRateLimiter:
    from limits.storage import storage_from_string
    from limits.storage.base import Storage
    from limits.strategies import MovingWindowRateLimiter

    options = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
    storage = storage_from_string(redis_url, wrap_exceptions=True, **options)
    assert isinstance(storage, Storage)
    return MovingWindowRateLimiter(storage)


def _wait(limiter: MovingWindowRateLimiter, rule: RateLimitItem, *key: str) -> int | None:
    if limiter.hit(rule, *key):
        return None
    seconds = limiter.get_window_stats(rule, *key).reset_time - time.time()
    return max(1, min(math.ceil(seconds), rule.get_expiry()))


_counter_lock = threading.Lock()


def _counter() -> Counter:
    # Without the lock, threads that start together would each count for themselves.
    with _counter_lock:
        return _counter_at(settings.REDIS_URL or "")


@functools.lru_cache(maxsize=1)
def _counter_at(redis_url: str) -> Counter:
    return Counter(redis_url)


@functools.lru_cache(maxsize=8)
def _rule(text: str, times: int) -> RateLimitItem:
    from limits import parse

    one = parse(text)
    return type(one)(one.amount * times, one.multiples)
