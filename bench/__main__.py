"""`python -m bench`: the user guide in a database of its own, and its questions."""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from pathlib import Path

FOLDER = tempfile.TemporaryDirectory(prefix="steadfast-bench-")
os.environ |= {
    "DJANGO_ENV": "development",
    "DJANGO_SETTINGS_MODULE": "console.settings",
    "DATA_DIR": FOLDER.name,
    "LOG_LEVEL": "ERROR",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
for name in ("DATABASE_URL", "REDIS_URL", "VECTOR_DB_URL", "QDRANT_HOST", "GEMINI_API_KEY"):
    os.environ.pop(name, None)
if "BENCH_DATABASE_URL" in os.environ:  # of a server that a bench started for itself
    os.environ["DATABASE_URL"] = os.environ["BENCH_DATABASE_URL"]

import django  # noqa: E402  # the environment first

django.setup()

from django.core.management import call_command  # noqa: E402

from bench.scrapes import scrapes  # noqa: E402
from bench.timing import Ratio, side_by_side  # noqa: E402


def main() -> None:
    call_command("demo", prepare_only=True, stdout=sys.stderr)
    for ratio in (*engines(), *answers(), *indexing(), scrapes()):
        print(ratio, flush=True)


def questions() -> list[str]:
    with Path("faq/guide/questions.csv").open(encoding="utf-8") as file:
        return [row["query"] for row in csv.DictReader(file)]


def engines() -> list[Ratio]:
    """ONNX Runtime against sentence-transformers, one thread each, the same weights."""
    from rag.index.embedding import OnnxEmbedder, SentenceTransformerEmbedder

    onnx, reference = OnnxEmbedder(), SentenceTransformerEmbedder()
    asked = questions()[:60]
    return [
        side_by_side(
            "one question embedded: ONNX, of sentence-transformers",
            lambda: [onnx.embed([one]) for one in asked],
            lambda: [reference.embed([one]) for one in asked],
            each=len(asked),
        ),
        side_by_side(
            "sixty questions in one batch: ONNX, of sentence-transformers",
            lambda: onnx.embed(asked),
            lambda: reference.embed(asked),
            each=len(asked),
        ),
    ]


def answers() -> list[Ratio]:
    """The pipeline in this process, without HTTP: what it adds to the encoder, and what a kept answer saves."""
    from django.core.cache import cache

    from rag.answering.pipeline import answer
    from rag.index.embedding import get_embedder

    asked = questions()[:60]

    def uncached() -> None:
        cache.clear()
        for one in asked:
            answer(one)

    return [
        side_by_side(
            "one question answered without a cache: of the bare encoder",
            uncached,
            lambda: [get_embedder().embed([one]) for one in asked],
            each=len(asked),
        ),
        side_by_side(
            "one question answered: cached, of uncached",
            lambda: [answer(one) for one in asked],
            uncached,
            each=len(asked),
        ),
    ]


def indexing() -> list[Ratio]:
    """A reindex with nothing to do, against one of everything."""
    from rag.index import generations
    from rag.index.indexing import reconcile

    def everything() -> None:
        generation = generations.target()
        generation.embeddings.all().delete()
        reconcile(generation)

    return [
        side_by_side("reindex: nothing changed, of everything", lambda: reconcile(generations.target()), everything)
    ]


if __name__ == "__main__":
    main()
