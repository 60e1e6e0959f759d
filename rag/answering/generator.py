"""What a generator is, whichever service is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

from rag.answering.prompt import Prompt

Gone = Callable[[], bool]


def nobody_left() -> bool:
    """For whoever cannot leave: a test, a suite."""
    return False


@dataclass(frozen=True)
class Generated:
    text: str
    model_version: str
    prompt_tokens: int
    output_tokens: int


class Stream(Protocol):
    """Iterating gives the pieces as they come, and raises GeneratorUnavailable where they break off.

    `result` is there once they have ended well. Leaving the `with` before that hangs up.
    """

    @property
    def result(self) -> Generated: ...
    def __iter__(self) -> Iterator[str]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class Generator(Protocol):
    """`seconds` is for everything together, whatever the other side does.

    While a stream waits it looks whether the asker is `gone`, and then hangs up and raises AskerGone.
    """

    def generate(self, prompt: Prompt, *, seconds: float) -> Generated: ...
    def stream(self, prompt: Prompt, *, seconds: float, gone: Gone = nobody_left) -> Stream: ...
    def probe(self, *, seconds: float) -> str: ...
    def close(self) -> None: ...
