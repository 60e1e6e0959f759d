"""`python -m bench.reindexing`: a reindex against the bare batch encoder and COPY, entry by entry in turns.

The database holds ENTRIES real ones; SAMPLE of them at a time are indexed anew, as a reindex of all takes a quarter of
an hour on one core. On a PostgreSQL of its own.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from tests.servers import Postgresql

ENTRIES = 5_000
SAMPLE = 192
ROUNDS = 3
SERVER = Postgresql().start()
os.environ["BENCH_DATABASE_URL"] = SERVER.new_database("bench")

from bench import prepared, unchanged  # noqa: E402  # the environment first
from bench.row import Row  # noqa: E402  # the environment first


def main() -> None:
    from django.core.management import call_command

    from faq.models import Entry
    from rag.index import generations, indexing
    from rag.index.embedding import get_embedder
    from rag.index.recipe import point_texts

    assert prepared.FOLDER.name
    call_command("migrate", verbosity=0)
    unchanged.publish(ENTRIES)
    generation = generations.target()
    get_embedder().embed(["ready"])
    entries = list(Entry.objects.published().order_by("?")[: SAMPLE * ROUNDS])
    pairs = []
    for at in range(0, len(entries), SAMPLE):
        some = entries[at : at + SAMPLE]
        texts = [text.text for entry in some for text in point_texts(entry)]
        chosen = [entry.pk for entry in some]
        bare = seconds(lambda texts=texts: get_embedder().embed(texts))  # type: ignore[misc]  # a default value is none that mypy can infer
        whole = seconds(lambda chosen=chosen: indexing.reconcile(generation, only=chosen))  # type: ignore[misc]  # a default value is none that mypy can infer
        pairs.append((whole, bare))
    whole, bare = (statistics.median(each) / SAMPLE for each in zip(*pairs, strict=True))
    copied = copying(SAMPLE * ROUNDS) / (SAMPLE * ROUNDS)
    Row(
        f"reindex of {ENTRIES:,} entries, entries a second: of the bare batch encoder",
        statistics.median(b / w for w, b in pairs),
        f"{1 / whole:.1f}/s : {1 / bare:.1f}/s",
        0.9,
        note=f"Measured on {ROUNDS} times {SAMPLE} of the {ENTRIES:,}. COPY writes the same points in"
        f" {1_000 * copied:.2f} ms an entry, the encoder takes {1_000 * bare:.1f} ms.",
    ).tell()


def copying(entries: int) -> float:
    """Seconds in which PostgreSQL takes the points of so many entries by COPY, into a table like ours."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT collection_id, point_id, entry_id, payload::text, vector FROM rag_storedpoint")
        rows = cursor.fetchall()[: 2 * entries]
        cursor.execute("CREATE TABLE copied (LIKE rag_storedpoint INCLUDING ALL)")
        began = time.perf_counter()
        columns = "collection_id, point_id, entry_id, payload, vector"
        with cursor.cursor.copy(f"COPY copied ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    return time.perf_counter() - began


def seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


if __name__ == "__main__":
    try:
        main()
    finally:
        SERVER.close()
