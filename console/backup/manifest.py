"""What a backup says of itself, and whether it is still what it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from console.backup import BackupError

NAME = "manifest.json"
FORMAT = 1


@dataclass(kw_only=True)
class Manifest:
    taken_at: str
    engine: str  # postgresql | sqlite
    server: str
    migrations: dict[str, str]  # the last one of each app
    recipe: str
    collection: str  # of the live generation; empty where there was none
    vectors: str  # snapshot | in the database | none, and why
    counts: dict[str, int]
    files: dict[str, dict[str, int | str]] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Last of all, so that a folder with a manifest is whole."""
        for path in sorted(folder.iterdir()):
            self.files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        (folder / NAME).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Every file is there and is, byte for byte, what was written; or BackupError."""
    try:
        facts = json.loads((folder / NAME).read_text(encoding="utf-8"))
        manifest = Manifest(**facts)
    except OSError as error:
        raise BackupError(f"{folder} is no backup: its {NAME} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError) as error:
        raise BackupError(f"{folder / NAME} cannot be understood. Take another backup.") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} was written by another release (format {manifest.format}): restore it with that.")
    for name, facts in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts["bytes"] or _sha256(path) != facts["sha256"]:
            raise BackupError(f"{path} is damaged: it is not what was written. Take another backup.")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
