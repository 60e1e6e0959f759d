"""The batch that follows, embedded while the one before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from faq.models import Entry
from rag.index.embedding import Vectors


class Ahead:
    """Embeds one batch while the one before is written: the encoder never waits for the database, and no more than
    two batches are held."""

    def __init__(self, embed: Callable[[Sequence[Entry]], Vectors]) -> None:
        self._embed = embed
        self._thread: ThreadPoolExecutor | None = None
        self._begun: tuple[list[int], list[Entry], Future[Vectors]] | None = None

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embeds ahead")
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._thread is not None
        self._thread.shutdown()

    def begin(self, entry_ids: Sequence[int], entries: list[Entry]) -> None:
        assert self._thread is not None
        self._begun = list(entry_ids), entries, self._thread.submit(self._embed, entries)

    def taken(self, entry_ids: Sequence[int]) -> list[Entry]:
        """The entries as they were read when their embedding began; none where it did not."""
        return self._begun[1] if self._begun and self._begun[0] == list(entry_ids) else []

    def vectors(self, entries: Sequence[Entry]) -> Vectors:
        """Waits for what was begun for these very entries, else begins now. Raises what embedding raises."""
        begun, self._begun = self._begun, None
        return begun[2].result() if begun and begun[1] is entries else self._embed(entries)


def with_following(batches: Iterable[list[int]], alone: Set[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Each batch with the one after it; none where that is a suspect, which takes nobody along."""
    batches = iter(batches)
    batch = next(batches, None)
    while batch is not None:
        following = next(batches, None)
        yield batch, [] if following is None or alone & {*batch, *following} else following
        batch = following
