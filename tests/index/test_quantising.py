"""int8 weights: made here from the model that serves, a recipe of their own, and refused when they were changed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from rag.errors import EmbedderUnavailable
from rag.index import model_files
from rag.index.embedding import OnnxEmbedder
from rag.index.recipe import current_recipe

NAME = "all-MiniLM-L6-v2"
TEXTS = ["How do I reset my password?", "Where is my invoice?", "When are you open?"]


def quiet(step: str, done: int, total: int | None) -> None:
    pass


@pytest.fixture(scope="module")
def made(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / NAME).symlink_to(model)
    return model_files.fetch(folder / f"{NAME}-int8", report=quiet)


def test_its_vectors_are_near_those_of_the_whole_model_and_others(made: Path, model: Path) -> None:
    small, whole = OnnxEmbedder(made).embed(TEXTS), OnnxEmbedder(model).embed(TEXTS)
    likeness = (small * whole).sum(axis=1)
    assert likeness.min() > 0.95
    assert np.abs(small - whole).max() > 1e-3
    assert (made / "model.onnx").stat().st_size < (model / "model.onnx").stat().st_size / 3


def test_nothing_is_written_where_the_whole_model_is(model: Path, tmp_path: Path) -> None:
    """Other processes read there, and it may be read-only."""
    (tmp_path / NAME).symlink_to(model)
    before = model.stat().st_mtime_ns
    folder = model_files.fetch(tmp_path / f"{NAME}-int8", report=quiet)
    assert model.stat().st_mtime_ns == before
    assert sorted(file.name for file in folder.iterdir() if file.name.startswith(("tmp", "whole"))) == []


def test_what_is_there_is_not_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.index.quantising.quantise", lambda *_: pytest.fail("made again"))
    assert model_files.fetch(made, report=quiet) == made


def test_a_damaged_one_is_refused_and_made_anew(made: Path, tmp_path: Path) -> None:
    whole = made.with_name(NAME)
    (tmp_path / NAME).symlink_to(whole.resolve())
    folder = tmp_path / f"{NAME}-int8"
    model_files.fetch(folder, report=quiet)
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    with pytest.raises(EmbedderUnavailable, match="its hash differs"):
        OnnxEmbedder(folder).embed(TEXTS)
    model_files.fetch(folder, report=quiet)
    assert OnnxEmbedder(folder).embed(TEXTS).shape == (3, 384)


def test_it_is_another_recipe(settings: Settings) -> None:
    before = current_recipe().fingerprint
    settings.RAG_LOCAL_EMBEDDING_MODEL = f"{NAME}-int8"
    assert current_recipe().fingerprint != before
    assert model_files.model_directory().name == f"{NAME}-int8"


def test_without_the_tool_it_says_what_to_do(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NAME).symlink_to(model)
    monkeypatch.setitem(sys.modules, "onnxruntime.quantization", None)
    with pytest.raises(model_files.ModelFileError, match="needs the package onnx"):
        model_files.fetch(tmp_path / f"{NAME}-int8", report=quiet)
