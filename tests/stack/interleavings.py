"""`python -m tests.stack.interleavings 1000`: late jobs, new edits and deaths at random, on the database it is given.

Two workers and an editor act on the same few entries, each with pauses of its own between any two steps. A round is
one interleaving; what stays stale after its drain is printed, and makes the exit status 1.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from unittest import mock

PAUSES = (0.0, 0.0, 0.0, 0.0, 0.002, 0.03)
ENTRIES = 1
EDITS = 3
DEATHS = 0.2  # of the workers' turns
here = threading.local()


def main(rounds: int, first_seed: int) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings.test"
    import django
    from django.test import override_settings

    django.setup()
    from django.core.management import call_command

    from faq.models import Category
    from tests.index import memory_store

    call_command("migrate", verbosity=0)
    Category.objects.get_or_create(name="c")
    stale = 0
    with (
        override_settings(
            VECTOR_STORE="tests.index.memory_store.MemoryStore", EMBEDDER="tests.index.memory_store.HashEmbedder"
        ),
        mock.patch.object(memory_store.World, "step", lambda world: step()),
        ThreadPoolExecutor(3) as threads,
    ):
        for seed in range(first_seed, first_seed + rounds):
            stale += not one_round(seed, threads)
    print(f"{rounds} interleavings, {stale} of them with stale points afterwards")
    return 1 if stale else 0


def step() -> None:
    """Between any two steps: a pause, or the end of this worker."""
    from tests.index.memory_store import Killed

    chance = getattr(here, "chance", None)
    if chance is None:
        return
    time.sleep(chance.choice(PAUSES))
    here.steps -= 1
    if here.steps < 0:
        raise Killed


def one_round(seed: int, threads: ThreadPoolExecutor) -> bool:
    from faq.models import Category, Entry
    from rag.index import generations, indexing
    from rag.models import Generation, Job
    from tests.index import memory_store

    chance = random.Random(seed)
    memory_store.begin_anew()
    for model in (Job, Entry, Generation):
        model._default_manager.all().delete()
    category = Category.objects.get(name="c")
    for number in range(ENTRIES):
        Entry.objects.create(category=category, question=f"q{number}", answer="a", status="published")
    generation = generations.target()
    if chance.random() < 0.5:
        indexing.reconcile(generation)
    edited = threading.Event()
    acting = [threads.submit(work, f"{seed}/{name}", edited) for name in ("one", "other")]
    acting.append(threads.submit(edit, f"{seed}/editor", edited))
    for one in acting:
        one.result()
    for _ in range(3):
        indexing.reconcile(generation)
    try:
        memory_store.assert_true()
    except AssertionError as error:
        print(f"seed {seed}: {error}")
        return False
    return True


def work(seed: str, edited: threading.Event) -> None:
    """As long as there are edits, and once more."""
    from rag.index import generations, indexing
    from tests.index.memory_store import Killed

    here.chance = random.Random(seed)
    live = generations.live()
    assert live is not None
    last = False
    while not last:
        last = edited.is_set()
        here.steps = here.chance.randint(0, 8) if here.chance.random() < DEATHS else sys.maxsize
        with suppress(Killed):
            indexing.reconcile(live)
    here.chance = None


def edit(seed: str, edited: threading.Event) -> None:
    chance = random.Random(seed)
    try:
        for _ in range(EDITS):
            time.sleep(chance.uniform(0, 0.06))
            edit_once(chance)
    finally:
        edited.set()


def edit_once(chance: random.Random) -> None:
    from faq.models import Entry

    entry = Entry.objects.order_by("pk")[chance.randrange(ENTRIES) :].first()
    if entry is None:
        return
    row = Entry.objects.filter(pk=entry.pk)
    way = chance.choice(["answer", "answer", "answer", "back", "back", "variants", "archive", "publish", "delete"])
    if way == "delete":
        row.delete()
        return
    changes: dict[str, dict[str, Any]] = {
        "answer": {"answer": chance.choice("bc")},
        "back": {"answer": "a"},
        "variants": {"variants": ["v"] * chance.randint(0, 1)},
        "archive": {"status": "archived"},
        "publish": {"status": "published"},
    }
    row.update(**changes[way])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
