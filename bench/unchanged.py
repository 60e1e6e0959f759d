"""`python -m bench.unchanged [100000]`: a reindex that finds nothing to do, of one that embeds everything.

The entries look real where ../shared has their maker, else they are the guide's with numbers. A sample of them is
really embedded; the ledger rows of the others are written as if they had been.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management import call_command

from bench import prepared, questions  # the environment first
from bench.row import Row

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from faq.models import Entry

MAKER = (questions.SHARED or Path("../shared/data")) / "scale" / "generate_faq.py"
ENTRIES = 100_000
SAMPLE = 200
CHUNK = 2_000
ROUNDS = 3


def main(entries: int = ENTRIES) -> None:
    from rag.index import embedding, generations, indexing, jobs, work
    from rag.models import Job

    assert prepared.FOLDER.name
    call_command("migrate", verbosity=0)
    publish(entries)
    generation = generations.target()
    embedding.get_embedder().embed(["ready"])
    chosen = list(_entries().order_by("?").values_list("pk", flat=True)[:SAMPLE])
    everything = _seconds(lambda: indexing.reconcile(generation, only=chosen)) * entries / len(chosen)
    _pretend_the_rest_is_indexed(generation.pk)
    embedding.reset_embedder()

    def unchanged() -> None:
        job = jobs.request()
        work.run(job.pk)
        job.refresh_from_db()
        assert (job.state, job.total) == (Job.State.SUCCEEDED, 0), job.outcome

    nothing = min(_seconds(unchanged) for _ in range(ROUNDS))
    assert embedding._embedder is None, "the model was loaded"
    Row(
        f"reindex with nothing changed, {entries:,} entries: faster than embedding them",
        everything / nothing,
        f"{nothing:.2f} s : {everything:.0f} s",
        50.0,
        note=f"No model was loaded. The reindex was run in whole; embedding is reckoned from {len(chosen)} entries.",
    ).tell()


def publish(number: int) -> None:
    from faq.models import Category, Entry

    rows = _made(number)
    categories: dict[str, Category] = {}
    while some := list(islice(rows, CHUNK)):
        for row in some:
            if row["category"] not in categories:
                categories[row["category"]], _ = Category.objects.get_or_create(name=row["category"])
        Entry.objects.bulk_create(
            Entry(
                external_id=row["external_id"],
                category=categories[row["category"]],
                question=row["question"][:500],
                answer=row["answer"],
                status=Entry.Status.PUBLISHED,
            )
            for row in some
        )


def _made(number: int) -> Iterator[dict[str, str]]:
    if not MAKER.exists():
        with Path("faq/guide/guide.csv").open(encoding="utf-8", newline="") as guide:
            for i, row in enumerate(islice(cycle(list(csv.DictReader(guide))), number)):
                yield {**row, "external_id": f"e-{i}", "question": f"{row['question']} ({i})"}
        return
    with tempfile.NamedTemporaryFile("r", suffix=".csv", encoding="utf-8", newline="") as file:
        subprocess.run([sys.executable, MAKER, "--n", str(number), "--out", file.name], check=True)
        yield from csv.DictReader(file)


def _pretend_the_rest_is_indexed(generation_id: int) -> None:
    from rag.models import Embedding

    known = set(Embedding.objects.values_list("entry_id", flat=True))
    rows = _entries().exclude(pk__in=known).values_list("pk", "text_hash").iterator()
    Embedding.objects.bulk_create(
        (Embedding(generation_id=generation_id, entry_id=pk, text_hash=text, points=2) for pk, text in rows),
        batch_size=CHUNK,
    )


def _entries() -> QuerySet[Entry]:
    from faq.models import Entry

    return Entry.objects.published().order_by("pk")


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)
