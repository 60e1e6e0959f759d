"""From texts to vectors: one contract and two engines that give the same vectors."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from rag.errors import EmbedderUnavailable, Reason
from rag.index import model_files, quantising

if TYPE_CHECKING:
    import onnxruntime
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

Vector = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.float32]  # one row per text

MOST_TOKENS = 256  # what the model was trained on; the rest of a text is not seen
BATCH_TOKENS = 512  # measured: bigger batches leave the processor's cache and are slower
MOST_CHARACTERS = 1 << 16  # far more than 256 tokens need; keeps a 10 MB answer from being cut into words whole
RETRY_SECONDS = 30.0
LEAST_LIKENESS = 0.999  # cosine; other runtimes round differently, other weights or tokens land far below
LEAST_LIKENESS_INT8 = 0.95  # eight bits a weight move a vector by some hundredths
GOLDEN = Path(__file__).with_name("golden_vectors.json")


class Embedder(Protocol):
    name: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 per text, in the order given; EmbedderUnavailable when that cannot be had."""


class OnnxEmbedder:
    """What serves: ONNX Runtime on the CPU. Safe to share between threads, and to load before a fork."""

    name, dimension = "all-MiniLM-L6-v2", 384

    def __init__(self, directory: Path | None = None, *, threads: int = 1) -> None:
        where = directory or model_files.model_directory()
        # A pool of threads does not survive a fork, so by default one: more processes, not more threads.
        self._engine = _Once(lambda: _loaded(where, model_files.SERVING, lambda: _OnnxEngine(where, threads)))

    def embed(self, texts: Sequence[str]) -> Vectors:
        return _embed_with(self._engine.get(), texts)


class SentenceTransformerEmbedder:
    """The reference: slower and far larger, and what the other engine is compared with."""

    name, dimension = "all-MiniLM-L6-v2", 384

    def __init__(self, directory: Path | None = None, *, threads: int = 1) -> None:
        where = directory or model_files.model_directory()
        self._engine = _Once(lambda: _loaded(where, model_files.REFERENCE, lambda: _ReferenceEngine(where, threads)))

    def embed(self, texts: Sequence[str]) -> Vectors:
        return _embed_with(self._engine.get(), texts)


def get_embedder() -> Embedder:
    """The engine that the settings name: one for the life of the process."""
    global _embedder
    if _embedder is None:
        with _lock:
            if _embedder is None:
                _embedder = _build()
    return _embedder


def reset_embedder() -> None:
    global _embedder
    with _lock:
        _embedder = None


def probe() -> None:
    """Quiet when sentences become the right vectors, here and now; else EmbedderUnavailable."""
    _check_golden(get_embedder().embed, _least_likeness(model_files.model_directory()))


def ready() -> int:
    """The length of a vector made just now: the probe that may be asked often. Raises EmbedderUnavailable."""
    return int(get_embedder().embed(["ready"]).shape[1])


_lock = threading.Lock()
_embedder: Embedder | None = None


def _build() -> Embedder:
    try:
        embedder: Embedder = import_string(settings.EMBEDDER)()
    except ImportError as error:
        raise EmbedderUnavailable("missing", f"EMBEDDER names no class that can be imported: {error}") from error
    if embedder.dimension != settings.RAG_VECTOR_DIMENSION:
        raise EmbedderUnavailable(
            "bad_response", f"RAG_VECTOR_DIMENSION must be {embedder.dimension}, which {embedder.name} gives."
        )
    return embedder


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"EMBEDDER", "MODEL_DIR", "RAG_LOCAL_EMBEDDING_MODEL", "RAG_VECTOR_DIMENSION"}:
        reset_embedder()


setting_changed.connect(_forget, dispatch_uid="rag.index.embedding")


# --- the engines -----------------------------------------------------------------------------------------------------

_Engine = Callable[[Sequence[str]], Vectors]


class _OnnxEngine:
    def __init__(self, directory: Path, threads: int) -> None:
        # It would report to its maker, under an id that it keeps in the user's folder, in a thread of its own.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime
        from tokenizers import Tokenizer

        self._tokenizer: Tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; they arrive as exceptions as well
        self._session: onnxruntime.InferenceSession = onnxruntime.InferenceSession(
            str(directory / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, texts: Sequence[str]) -> Vectors:
        # One by one: a batch would start a pool of the tokenizer's own threads, in every process.
        tokens = [self._tokenizer.encode(text[:MOST_CHARACTERS]).ids for text in texts]
        vectors = np.empty((len(texts), OnnxEmbedder.dimension), dtype=np.float32)
        for batch in _batches([len(ids) for ids in tokens]):
            vectors[batch] = self._run([tokens[index] for index in batch])
        return vectors

    def _run(self, tokens: list[list[int]]) -> Vectors:
        ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(tokens):
            ids[row, : len(own)] = own
            mask[row, : len(own)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states: npt.NDArray[np.float32] = self._session.run(["last_hidden_state"], inputs)[0]
        sums = (states * mask[:, :, np.newaxis].astype(np.float32)).sum(axis=1)
        # The mean has the sum's direction, so it has the sum's unit vector.
        vectors: Vectors = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors


class _ReferenceEngine:
    def __init__(self, directory: Path, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)  # with more, a child forked after the first text hangs for ever
        self._lock = threading.Lock()  # its tokenizer refuses a second thread: "already borrowed"
        self._model: SentenceTransformer = SentenceTransformer(str(directory), device="cpu", local_files_only=True)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            vectors: Vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions of texts of like length together, so that little is spent on padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _embed_with(engine: _Engine, texts: Sequence[str]) -> Vectors:
    if not texts:
        return np.empty((0, OnnxEmbedder.dimension), dtype=np.float32)
    try:
        # Half a surrogate pair is no text: the engines would refuse it, and with it all others.
        vectors = engine([text.encode("utf-8", "replace").decode() for text in texts])
    except Exception as error:
        raise EmbedderUnavailable("bad_response", f"the model failed ({type(error).__name__}): {error}") from error
    if not np.isfinite(vectors).all():
        raise EmbedderUnavailable("bad_response", "the model gave vectors that are no numbers.")
    return vectors


# --- loading ---------------------------------------------------------------------------------------------------------

T = TypeVar("T")


class _Once(Generic[T]):
    """Loads on first use, once; a failure is repeated to everybody for 30 s, and then tried anew."""

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._value: T | None = None
        self._failure: tuple[Reason, str] | None = None
        self._retry_at = 0.0

    def get(self) -> T:
        if self._value is None:
            with self._lock:
                if self._value is None:
                    self._value = self._attempt()
        return self._value

    def _attempt(self) -> T:
        if self._failure and time.monotonic() < self._retry_at:
            raise EmbedderUnavailable(*self._failure)
        try:
            return self._load()
        except EmbedderUnavailable as error:
            self._failure = (error.reason, error.detail)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise


def _loaded(directory: Path, names: Sequence[str], build: Callable[[], _Engine]) -> _Engine:
    """An engine from verified files that gives the vectors it should."""
    try:
        model_files.verify(directory, names)
        engine = build()
    except model_files.ModelFileMissing as error:
        raise EmbedderUnavailable("missing", str(error)) from error
    except model_files.ModelFileError as error:
        raise EmbedderUnavailable("bad_response", str(error)) from error
    except ImportError as error:
        detail = f"{error}. The onnx engine is in requirements.txt, sentence-transformers in the extra `reference`."
        raise EmbedderUnavailable("missing", detail) from error
    except Exception as error:
        raise EmbedderUnavailable("bad_response", f"the model in {directory} cannot be loaded: {error}") from error
    _check_golden(engine, _least_likeness(directory))
    return engine


def golden() -> tuple[list[str], Vectors]:
    """Sentences and the vectors that the reference engine gave them, kept as half floats."""
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))
    vectors = [np.frombuffer(base64.b85decode(case["vector"]), dtype="<f2") for case in cases]
    return [case["text"] for case in cases], np.array(vectors, dtype=np.float32)


def _least_likeness(directory: Path) -> float:
    return LEAST_LIKENESS_INT8 if quantising.of(directory) else LEAST_LIKENESS


def _check_golden(engine: _Engine, least: float) -> None:
    """Right files, right runtime: sentences whose vectors are known must give those vectors."""
    texts, expected = golden()
    likeness = (_embed_with(engine, texts) * expected).sum(axis=1)
    if likeness.min() < least:
        raise EmbedderUnavailable(
            "bad_response",
            "the model gives other vectors than it should for known sentences: a wrong tokenizer, runtime or"
            " model. `manage.py fetch_model` checks the files.",
        )
