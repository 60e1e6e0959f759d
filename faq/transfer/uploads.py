"""An uploaded file between its preview and its confirmation: kept in DATA_DIR, and only for whoever brought it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.files.uploadedfile import UploadedFile

from faq.transfer.reading import kind_of

LIMIT = 10 << 20
KEPT_SECONDS = 24 * 3600
SALT = "faq.transfer.uploads"


@dataclass(frozen=True, slots=True)
class Upload:
    """`token` is what the browser holds of it: signed, and useless to anybody else."""

    path: Path
    name: str
    publish: bool
    token: str

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


def keep(file: UploadedFile[Any], *, user: Any, publish: bool) -> Upload:
    """Raises UnreadableFile where the name's ending says that it cannot be imported."""
    name = file.name or "upload"
    kind_of(Path(name))
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_old(folder)
    kept = f"{secrets.token_hex(16)}{Path(name).suffix.lower()}"
    path = folder / kept
    with path.open("xb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    facts = {"kept": kept, "name": name, "publish": publish, "user": user.pk}
    return Upload(path, name, publish, signing.dumps(facts, salt=SALT))


def take(token: str, *, user: Any) -> Upload | None:
    """The upload, once: whoever takes it has it alone, so a second click finds nothing."""
    try:
        facts = signing.loads(token, salt=SALT, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        return None
    if facts["user"] != user.pk:
        return None
    waiting = _folder() / facts["kept"]
    taken = waiting.with_stem(f"{waiting.stem}-taken")
    try:
        waiting.rename(taken)
    except FileNotFoundError:
        return None
    return Upload(taken, facts["name"], facts["publish"], token)


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "imports"


def _forget_old(folder: Path) -> None:
    oldest = time.time() - KEPT_SECONDS
    for path in folder.iterdir():
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
