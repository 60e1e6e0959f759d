"""Gemini's key: from the environment, or from GEMINI_API_KEY_FILE, which is read again whenever it changes."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

LONGEST = 500

_lock = threading.Lock()
_read: tuple[str, tuple[int, int, int], str] | None = None  # path, what of it tells a change, key


def current() -> str:
    """Empty where there is none. A file that is gone or holds no key leaves the key as it was."""
    given: str = settings.GEMINI_API_KEY or ""
    path: str = getattr(settings, "GEMINI_API_KEY_FILE", "")
    return _of_file(path, given) if path else given


def _of_file(path: str, given: str) -> str:
    global _read
    with _lock:
        before = _read if _read and _read[0] == path else None
        try:
            at = Path(path).stat()
            stamp = (at.st_mtime_ns, at.st_size, at.st_ino)
            if before is None or before[1] != stamp:
                _read = before = path, stamp, _key(path) or (before[2] if before else given)
        except OSError as error:
            if before is None or before[1] != (0, 0, 0):
                logger.warning("Gemini's key stays as it was: its file cannot be read (%s)", type(error).__name__)
            _read = before = path, (0, 0, 0), before[2] if before else given
        return before[2]


def _key(path: str) -> str:
    """The file's only word; empty, with a line in the log, where it is not one."""
    text = Path(path).read_bytes()[: LONGEST + 1].decode(errors="replace").strip()
    if text.isascii() and text.isprintable() and len(text.split()) == 1 and len(text) <= LONGEST:
        return text
    logger.warning("Gemini's key stays as it was: its file does not hold one key")
    return ""
