"""Redis as the cache asks it: when it has just been away, nobody waits for it again.

Named in the settings of the cache, so nothing of Django is asked here before a question is.
"""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from rag.errors import Reason, ServiceUnavailable
from rag.index import runners
from rag.resilience import Breaker, registered

# Every question asks twice, and would wait twice: an answer that is not found in time is found anew.
REDIS_BREAKER = registered(Breaker("redis", failures_to_open=2, probe=runners.probe))


class SparingRedis(Redis):
    def execute_command(self, *words: Any, **options: Any) -> Any:
        """Raises redis.exceptions.ConnectionError at once while Redis rests."""
        try:
            with REDIS_BREAKER.guard():
                return self._executed(*words, **options)
        except ServiceUnavailable as error:
            raise ConnectionError(str(error)) from error

    def _executed(self, *words: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*words, **options)  # type: ignore[no-untyped-call]  # the library has no types here
        except (ConnectionError, TimeoutError) as error:
            reason: Reason = "timeout" if isinstance(error, TimeoutError) else "refused"
            raise ServiceUnavailable("redis", reason, f"Redis: {type(error).__name__}") from error
