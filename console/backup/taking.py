"""Taking a backup: one moment of the database, and the live collection where the server can give it."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from console.backup import BackupError, database
from console.backup.manifest import NAME, Manifest
from faq.models import Entry
from rag.errors import VectorStoreUnavailable
from rag.index import generations, snapshots
from rag.index.recipe import current_recipe
from rag.models import Embedding, Receipt

logger = logging.getLogger(__name__)

VECTORS = "vectors.snapshot"


def take() -> tuple[Path, Manifest]:
    """The folder, and what is in it. Raises BackupError; nothing half is left then."""
    now = timezone.now()
    folder = Path(settings.BACKUP_DIR) / now.strftime("%Y-%m-%dT%H-%M-%SZ")
    draft = folder.with_name(f".{folder.name}.draft")
    try:
        draft.mkdir(parents=True, mode=0o700)
        manifest = _filled(draft, now.isoformat(timespec="seconds"))
        draft.rename(folder)
    except OSError as error:
        raise BackupError(
            f"Nothing can be written to {settings.BACKUP_DIR} ({error.strerror}). See BACKUP_DIR."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    logger.info("backup taken", extra={"folder": str(folder), "vectors": manifest.vectors})
    return folder, manifest


def kept() -> list[Path]:
    """Oldest first; only those that are whole."""
    return sorted(path.parent for path in Path(settings.BACKUP_DIR).glob(f"[0-9]*/{NAME}"))


def forget_old() -> list[Path]:
    old = kept()[: -settings.BACKUP_KEEP]
    for folder in old:
        shutil.rmtree(folder)
    return old


def _filled(folder: Path, taken_at: str) -> Manifest:
    live = generations.live()
    with database.frozen() as moment:
        manifest = Manifest(
            taken_at=taken_at,
            engine=connection.vendor,
            server=database.server_version(),
            migrations=heads(),
            recipe=current_recipe().fingerprint,
            collection=live.collection if live else "",
            vectors="in the database",
            counts=counts(),
        )
        database.dump(folder, moment)
    if snapshots.possible():
        manifest.vectors = _vectors(manifest.collection, folder / VECTORS)
    manifest.write(folder)
    return manifest


def counts() -> dict[str, int]:
    return {
        "entries": Entry.objects.count(),
        "published": Entry.objects.published().count(),
        "embeddings": Embedding.objects.count(),
        "receipts": Receipt.objects.count(),
    }


def heads() -> dict[str, str]:
    """The last applied migration of each app."""
    by_app: dict[str, list[str]] = defaultdict(list)
    for app, name in MigrationRecorder(connection).applied_migrations():
        by_app[app].append(name)
    return {app: max(names) for app, names in sorted(by_app.items())}


def _vectors(collection: str, target: Path) -> str:
    """Without them the backup is whole all the same: they are made anew from the entries."""
    if not collection:
        return "none: there was no index yet"
    try:
        snapshots.take(collection, target)
    except VectorStoreUnavailable as error:
        target.unlink(missing_ok=True)
        logger.warning("the vectors are not in this backup, and will be made anew: %s", error)
        return f"none: {error}"
    return "snapshot"
