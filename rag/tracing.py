"""What belongs to the request at hand, wherever code runs for it: its id, and the words that no log may repeat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NO_REQUEST = "-"
request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
asked: ContextVar[str] = ContextVar("asked", default="")


def forget() -> None:
    """At the end of a request: its thread goes on to another."""
    request_id.set(NO_REQUEST)
    asked.set("")


@contextmanager
def on_behalf_of(request: str) -> Iterator[None]:
    """Work that goes on elsewhere, such as a job, bears the id of the request that asked for it."""
    token = request_id.set(request)
    try:
        yield
    finally:
        request_id.reset(token)
