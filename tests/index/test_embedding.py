"""Texts become the right vectors, whichever engine makes them, and failures stay inside the family."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest_django import Settings

from rag.errors import EmbedderUnavailable
from rag.index import embedding
from rag.index.embedding import OnnxEmbedder, SentenceTransformerEmbedder, Vectors

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
ODD_TEXTS = [
    "", " ", "\n\t", "a", "😀🎉", "你好世界", "Привет, как дела?", "مرحبا بالعالم", "नमस्ते", "É ÀÜ straße ﬁ",
    "\x00\u200b\ufeff", "x" * 5000, "[CLS] [SEP] [PAD] [MASK]", "e\u0301 \u202eabc", "1,000.50 € (24/7)",
    " ".join(map(str, range(600))),
]  # fmt: skip


@pytest.fixture(scope="session")
def onnx(model: Path) -> OnnxEmbedder:
    return OnnxEmbedder(model)


@pytest.fixture(scope="session")
def reference(model: Path) -> SentenceTransformerEmbedder:
    pytest.importorskip("sentence_transformers", reason="the reference engine is not installed: extra `reference`")
    return SentenceTransformerEmbedder(model)


@pytest.fixture(autouse=True)
def fresh_embedder() -> Iterator[None]:
    embedding.reset_embedder()
    yield
    embedding.reset_embedder()


def rows(name: str) -> list[dict[str, str]]:
    path = SHARED / "data/dev" / name
    if not path.exists():
        pytest.skip(f"the real questions are not here: {name}")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_engines_agree_on_real_questions(onnx: OnnxEmbedder, reference: SentenceTransformerEmbedder) -> None:
    questions = [row["query"] for row in rows("golden.csv")[:200]]
    assert np.abs(onnx.embed(questions) - reference.embed(questions)).max() < 1e-5


def test_engines_agree_on_answers_longer_than_the_model_sees(
    onnx: OnnxEmbedder, reference: SentenceTransformerEmbedder
) -> None:
    answers = [row["answer"] for row in rows("faq.csv") if len(row["answer"]) > 2000][:20]
    assert len(answers) == 20
    assert np.abs(onnx.embed(answers) - reference.embed(answers)).max() < 1e-5


def test_engines_agree_on_odd_texts(onnx: OnnxEmbedder, reference: SentenceTransformerEmbedder) -> None:
    assert np.abs(onnx.embed(ODD_TEXTS) - reference.embed(ODD_TEXTS)).max() < 1e-5


def test_golden_vectors_are_what_the_reference_engine_says(reference: SentenceTransformerEmbedder) -> None:
    texts, expected = embedding.golden()
    assert np.abs(reference.embed(texts) - expected).max() < 1e-3


def test_rows_have_length_one_and_the_promised_shape(onnx: OnnxEmbedder) -> None:
    vectors = onnx.embed(ODD_TEXTS)
    assert vectors.shape == (len(ODD_TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert onnx.embed([]).shape == (0, 384)


def test_a_vector_depends_neither_on_its_place_nor_on_its_company(onnx: OnnxEmbedder) -> None:
    texts = [f"question {'about refunds ' * (number % 40)}{number}" for number in range(120)]
    random.Random(7).shuffle(texts)
    alone = np.vstack([onnx.embed([text]) for text in texts])
    assert np.abs(onnx.embed(texts) - alone).max() < 1e-5


def test_batches_hold_every_position_once_and_no_more_tokens_than_allowed() -> None:
    lengths = [random.Random(seed).randint(2, 256) for seed in range(300)]
    batches = list(embedding._batches(lengths))
    assert sorted(position for batch in batches for position in batch) == list(range(300))
    assert all(len(batch) * max(lengths[position] for position in batch) <= 512 for batch in batches)


def test_meaning_is_what_brings_vectors_together(onnx: OnnxEmbedder) -> None:
    asked, same, other = onnx.embed(["How do I get my money back?", "Requesting a refund", "Opening hours on Sunday"])
    assert float(asked @ same) > float(asked @ other) + 0.3


def test_half_a_surrogate_pair_and_ten_megabytes_are_texts_too(onnx: OnnxEmbedder) -> None:
    given = onnx.embed(["broken \ud83d emoji", "long " * 2_000_000])
    assert np.abs(given - onnx.embed(["broken ? emoji", "long " * 1000])).max() < 1e-5


def test_eight_threads_load_once_and_get_the_same_vectors(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    start = threading.Barrier(8)

    class Counted(embedding._OnnxEngine):
        def __init__(self, *args: Any) -> None:
            loads.append(1)
            super().__init__(*args)

    monkeypatch.setattr(embedding, "_OnnxEngine", Counted)
    embedder = OnnxEmbedder(model)

    def ask(number: int) -> Vectors:
        start.wait()
        return np.vstack([embedder.embed([f"thread {number}", "shared"]) for _ in range(5)])

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert len(loads) == 1
    for number, answer in enumerate(answers):
        assert np.abs(answer - np.tile(embedder.embed([f"thread {number}", "shared"]), (5, 1))).max() < 1e-5


@pytest.mark.parametrize("engine", ["OnnxEmbedder", "SentenceTransformerEmbedder"])
def test_a_process_forked_after_loading_can_embed(model: Path, engine: str) -> None:
    """On its main thread and in a new one: pools of threads do not survive a fork."""
    if engine == "SentenceTransformerEmbedder":
        pytest.importorskip("sentence_transformers", reason="the reference engine is not installed")
    script = """
import os, signal, sys, threading
import django
django.setup()
from rag.index import embedding
from pathlib import Path
embedder, texts = getattr(embedding, sys.argv[2])(Path(sys.argv[1])), [f"text number {n} " * (n % 9) for n in range(64)]
before = embedder.embed(texts)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(30)
right = [abs(embedder.embed(texts) - before).max() < 1e-6]
thread = threading.Thread(target=lambda: right.append(abs(embedder.embed(texts) - before).max() < 1e-6))
thread.start(), thread.join()
os._exit(0 if right == [True, True] else 3)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(model), engine],
        cwd=ROOT,
        timeout=90,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_module_loads_no_engine() -> None:
    script = (
        "import sys, django; django.setup(); import rag.index.embedding, rag.index.model_files\n"
        "print({'onnxruntime', 'tokenizers', 'torch', 'sentence_transformers'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_engine_reports_to_nobody_and_leaves_nothing_behind(model: Path, tmp_path: Path) -> None:
    script = (
        "import sys, threading, time, django; django.setup()\n"
        "from pathlib import Path; from rag.index.embedding import OnnxEmbedder\n"
        "OnnxEmbedder(Path(sys.argv[1])).embed(['text']); time.sleep(0.5)"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "DATA_DIR": str(tmp_path / "data")}
    environment = {**os.environ, **home, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", script, str(model)], cwd=ROOT, env=environment, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.fault(16)
def test_a_missing_model_is_told_with_its_path_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable) as caught:
        OnnxEmbedder(tmp_path).embed(["text"])
    assert caught.value.reason == "missing"
    assert str(tmp_path / "model.onnx") in str(caught.value)
    assert "manage.py fetch_model" in str(caught.value)


def test_a_failed_load_is_tried_again_after_thirty_seconds_and_not_before(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(embedding, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    embedder = OnnxEmbedder(tmp_path)
    with pytest.raises(EmbedderUnavailable):
        embedder.embed(["text"])
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).symlink_to(model / name)
    clock[0] += 29
    with pytest.raises(EmbedderUnavailable, match=r"model\.onnx cannot be read"):
        embedder.embed(["text"])
    clock[0] += 2
    assert embedder.embed(["text"]).shape == (1, 384)


@pytest.mark.parametrize("texts", [["text"], ["text", "another"]])
@pytest.mark.parametrize("outcome", ["raises", "no numbers"])
def test_a_model_that_fails_while_running_is_unavailable(
    onnx: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch, outcome: str, texts: list[str]
) -> None:
    class Session:
        def run(self, outputs: list[str], inputs: dict[str, npt.NDArray[np.int64]]) -> list[Vectors]:
            if outcome == "raises":
                raise RuntimeError("out of memory")
            return [np.full((*inputs["input_ids"].shape, 384), np.nan, dtype=np.float32)]

    onnx.embed(["loaded"])
    monkeypatch.setattr(onnx._engine.get(), "_session", Session())
    with pytest.raises(EmbedderUnavailable) as caught:
        onnx.embed(texts)
    assert caught.value.reason == "bad_response"


def test_a_question_alone_has_the_vector_that_it_has_among_others(onnx: OnnxEmbedder) -> None:
    one, another = "how do I import a file", "and where do I find what was imported, and by whom, and when"
    assert np.allclose(onnx.embed([one])[0], onnx.embed([one, another])[0], atol=1e-6)


def test_one_embedder_serves_the_process_until_a_setting_changes(settings: Settings) -> None:
    first = embedding.get_embedder()
    assert isinstance(first, OnnxEmbedder)
    assert embedding.get_embedder() is first
    settings.EMBEDDER = "rag.index.embedding.SentenceTransformerEmbedder"
    assert isinstance(embedding.get_embedder(), SentenceTransformerEmbedder)


@pytest.mark.parametrize(("name", "value"), [("EMBEDDER", "rag.index.embedding.Nobody"), ("RAG_VECTOR_DIMENSION", 768)])
def test_settings_that_cannot_work_are_unavailable_and_named(settings: Settings, name: str, value: object) -> None:
    setattr(settings, name, value)
    with pytest.raises(EmbedderUnavailable, match=name):
        embedding.get_embedder()


def test_the_probe_is_quiet_when_all_is_well_and_speaks_when_not(
    model: Path, tmp_path: Path, settings: Settings
) -> None:
    embedding.probe()
    settings.MODEL_DIR = tmp_path
    with pytest.raises(EmbedderUnavailable):
        embedding.probe()
