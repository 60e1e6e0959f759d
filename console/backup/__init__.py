"""Backups: taken, put back, and rehearsed. A folder each, which says in its manifest what it holds."""

from __future__ import annotations


class BackupError(Exception):
    """It could not be taken, read or put back; the sentence says why, and the way out."""
