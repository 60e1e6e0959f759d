"""The secret key of a development installation: made once, kept beside its data, readable by its owner."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from console.environment.loading import InvalidEnvironment, stop


def kept_secret_key(data_dir: Path) -> str:
    """The same key for every process, also for several that start at once."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        return _read_or_make(data_dir / "secret_key")
    except OSError:
        stop(
            InvalidEnvironment(
                ["DATA_DIR must be a folder that can be written. Correct its permissions, or give another."]
            )
        )


def _read_or_make(path: Path) -> str:
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        key = file.read().strip()
        if not key:
            key = secrets.token_urlsafe(64)
            file.write(key)
        return key
