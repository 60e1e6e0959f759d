"""The real model with a memory on disk, so that twenty drills take the time of one; it lists what it is asked."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.index.embedding import OnnxEmbedder, Vectors

MEMORY, ASKED = "DRILL_MEMORY", "DRILL_ASKED"


class RememberingEmbedder:
    name, dimension = OnnxEmbedder.name, OnnxEmbedder.dimension

    def __init__(self) -> None:
        self._model = OnnxEmbedder()

    def embed(self, texts: Sequence[str]) -> Vectors:
        keys = [_key(text) for text in texts]
        note_asked(keys)
        with sqlite3.connect(os.environ[MEMORY], timeout=60) as memory:
            memory.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB)")
            known = {key: vector for key in keys if (vector := self._known(memory, key)) is not None}
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            for key, vector in zip(new, self._model.embed(list(new.values())) if new else (), strict=True):
                memory.execute("INSERT OR IGNORE INTO vectors VALUES (?, ?)", (key, vector.astype("<f4").tobytes()))
                known[key] = vector
        memory.close()
        return np.stack([known[key] for key in keys])

    def _known(self, memory: sqlite3.Connection, key: str) -> Vectors | None:
        found = memory.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return np.frombuffer(found[0], "<f4") if found else None


def note_asked(keys: Sequence[str]) -> None:
    """One line a batch, written before the batch is embedded: a kill in the middle counts it."""
    with Path(os.environ[ASKED]).open("ab", buffering=0) as file:
        file.write((" ".join(keys) + "\n").encode())


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
