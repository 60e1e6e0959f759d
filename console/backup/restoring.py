"""Putting a backup back: the database, what its release lacks of migrations, then vectors in step with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from console.backup import BackupError, database
from console.backup.manifest import Manifest, read
from console.backup.taking import VECTORS, counts
from console.start import migrations
from rag.errors import ServiceUnavailable
from rag.index import drift, generations, snapshots
from rag.index.coverage import coverage
from rag.index.indexing import reconcile
from rag.index.vector_store import get_vector_store
from rag.models import Generation, Job

logger = logging.getLogger(__name__)

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Restored:
    manifest: Manifest
    embedded: int  # entries whose vectors had to be made anew
    clean: bool | None  # None: the vector store could not be asked; the worker goes on as soon as it can

    @property
    def sentence(self) -> str:
        published, vectors = self.manifest.counts["published"], f"{self.embedded} indexed anew"
        state = {True: "no drift", False: "drift remains", None: "the vector store is away: the worker will index them"}
        return f"{published} published entries of {self.manifest.taken_at}, {vectors}, {state[self.clean]}."


def restore(folder: Path, tell: Tell, *, replace: bool = False, beside: str = "") -> Restored:
    """`beside`: a name for its collections, where others of the same name are in use. Raises BackupError."""
    manifest = read(folder)
    if manifest.engine != connection.vendor:
        raise BackupError(f"This backup is of {manifest.engine}, and the settings name {connection.vendor}.")
    tell(f"Every file of {folder.name} is what was written.")
    database.load(folder, replace=replace)
    _counted(manifest)
    tell("The database is back; now the migrations that it lacks.")
    migrations.bring_up_to_date(apply=True)
    _settle(beside)
    try:
        embedded, clean = _vectors(folder, manifest, tell)
    except ServiceUnavailable as error:
        tell(f"The vector store could not be asked ({error}).")
        embedded, clean = 0, None
    return Restored(manifest, embedded, clean)


def _counted(manifest: Manifest) -> None:
    found = counts()
    different = [name for name, count in manifest.counts.items() if found.get(name) != count]
    if different:
        raise BackupError(f"Restored, but not whole: another number of {', '.join(different)}.")


def _settle(beside: str) -> None:
    """Whoever worked when the dump was taken does so no more."""
    Job.objects.filter(state=Job.State.RUNNING).update(
        state=Job.State.FAILED, claim=None, outcome="Cut off by a restore."
    )
    if beside:
        for number, generation in enumerate(Generation.objects.order_by("pk")):
            generation.collection = f"{beside}_{number}"
            generation.save(update_fields=["collection"])


def _vectors(folder: Path, manifest: Manifest, tell: Tell) -> tuple[int, bool]:
    """What the snapshot has is taken from it, everything else is made anew; then nothing may differ."""
    live = generations.live()
    if live is not None and snapshots.possible():
        if (folder / VECTORS).exists():
            snapshots.put_back(live.collection, folder / VECTORS)
            tell("The vectors are back from their snapshot.")
        elif get_vector_store().describe(live.collection) is not None:
            get_vector_store().drop(live.collection)  # of another time than the ledger
    target = generations.target()
    found = drift.scan(target)
    if not found.clean:
        drift.repair(target, found)
    behind = coverage(target)
    if behind.published > behind.current:
        tell(f"{behind.published - behind.current} entries are indexed anew.")
    embedded = reconcile(target).embedded
    return embedded, drift.scan(target).clean
