"""`python -m bench.int8`: the recipe with int8 weights: how fast it is, and what the golden sets lose by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management import call_command

from bench import prepared, questions  # the environment first
from bench.row import Row
from bench.timing import side_by_side

ASKED = 60
SHOWN = ("hit@1", "hit@3", "mrr@10", "answered_rate", "answered_precision_in_scope", "oos_rejection")


def main() -> None:
    from rag.index.embedding import OnnxEmbedder

    call_command("migrate", verbosity=0)
    call_command("import_entries", questions.faq_file(), publish=True, verbosity=0)
    quantised = OnnxEmbedder(_quantised(Path(prepared.FOLDER.name)))
    full = OnnxEmbedder()
    asked = questions.real()[:ASKED]
    faster = side_by_side(
        "int8",
        lambda: [quantised.embed([one]) for one in asked],
        lambda: [full.embed([one]) for one in asked],
        each=ASKED,
    )
    before, after = _quality(full), _quality(quantised)
    told = ", ".join(f"{name} {before[name]:.3f} to {after[name]:.3f}" for name in SHOWN if name in before)
    sides = f"{faster.first_milliseconds:.2f} ms : {faster.second_milliseconds:.2f} ms"
    Row("one question embedded with int8 weights: faster than with fp32", faster.median, sides).tell()
    lost = max(before[name] - after[name] for name in SHOWN if name in before)
    below = [name for name, least in _bar().items() if after.get(name, 0.0) < least]
    Row(
        "the most that a figure of the golden sets loses by int8 weights",
        100 * lost,
        f"{len(below)} of {len(_bar())} figures below the bar",
        unit="points",
        note=f"From fp32 to int8: {told}.",
    ).tell()


def _quantised(folder: Path) -> Path:
    """Made in a folder of the bench's own."""
    from rag.index import model_files, quantising

    whole = model_files.model_directory()
    (folder / whole.name).symlink_to(whole)
    return model_files.fetch(folder / f"{whole.name}{quantising.SUFFIX}", report=lambda *_: None)


def _quality(embedder: Any) -> dict[str, float]:
    """The suite over an index made with this encoder, and asked with it."""
    from django.core.cache import cache

    from rag.index import embedding, generations, indexing
    from rag.quality import asking
    from rag.quality.suite import measure, read_cases

    embedding._embedder = embedder
    generation = generations.target()
    indexing.forget_all_hashes(generation)
    indexing.reconcile(generation)
    cache.clear()
    where = questions.SHARED / "dev" if questions.SHARED else questions.GUIDE.parent
    files = [where / "golden.csv", where / "oos.csv"] if questions.SHARED else [where / "questions.csv"]
    return measure([case for file in files for case in read_cases(file)], asking.in_this_process)


def _bar() -> dict[str, float]:
    if questions.SHARED is None:
        return {}
    bar: dict[str, float] = json.loads((questions.SHARED / "dev" / "bar.json").read_text(encoding="utf-8"))
    return bar


if __name__ == "__main__":
    main()
