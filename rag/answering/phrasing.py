"""A generator at work on one prompt: within the day's tokens, without a database connection, screened as it comes."""

from __future__ import annotations

import collections.abc
from contextlib import suppress

from django.db import connection

from rag import metrics
from rag.answering import prompt, token_budget
from rag.answering.answers import Delta
from rag.answering.generator import Generated, Generator, Gone
from rag.errors import ServiceUnavailable
from rag.resilience import Deadline

KEPT_FOR_THE_END = 0.5  # seconds of the deadline that generation may not use up


def phrased(
    generator: Generator, asking: prompt.Prompt, deadline: Deadline, gone: Gone | None
) -> collections.abc.Generator[Delta, None, tuple[str, str]]:
    """The checked text and the model that wrote it; piece by piece where there is an asker who can be `gone`.

    Raises GeneratorUnavailable, AskerGone, and ServiceUnavailable where the database cannot count the tokens.
    """
    reserved = token_budget.reserve(asking, deadline)
    if not connection.in_atomic_block:
        connection.close()  # nobody holds a database connection while the model thinks
    seconds = max(0.1, deadline.left() - KEPT_FOR_THE_END)
    if gone is None:
        made = generator.generate(asking, seconds=seconds)
    else:
        made = yield from _in_pieces(generator, asking, seconds, gone)
    metrics.count_tokens(made.prompt_tokens, made.output_tokens)
    with suppress(ServiceUnavailable):  # it stays as it was reserved
        reserved.settle(made.prompt_tokens + made.output_tokens, deadline)
    return prompt.check(made.text, asking.passages).text, made.model_version


def _in_pieces(
    generator: Generator, asking: prompt.Prompt, seconds: float, gone: Gone
) -> collections.abc.Generator[Delta, None, Generated]:
    """Sentence by sentence, as each has passed the screen."""
    screen = prompt.Screen(asking.passages)
    with generator.stream(asking, seconds=seconds, gone=gone) as pieces:
        for piece in pieces:
            if shown := screen.feed(piece):
                yield Delta(shown)
        return pieces.result
