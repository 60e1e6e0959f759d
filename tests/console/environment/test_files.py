"""Each variable as NAME_FILE."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.environment import load, plain
from console.environment.loading import NAMES
from tests.console.environment.cast import KEY, PRODUCTION, faults, named


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_may_be_given_as_a_file(name: str, tmp_path: Path) -> None:
    environ = {**PRODUCTION, "RAG_SURE": "0.75", "DB_PASSWORD": "w0rd"}
    value = environ.pop(name, "") or written(name)
    direct = load({**environ, name: value})
    file = tmp_path / "value"
    file.write_text(f"{value}\n")
    assert getattr(load({**environ, f"{name}_FILE": str(file)}), name) == getattr(direct, name)


def written(name: str) -> str:
    """A value that is not the default, for variables that production does not set."""
    special = {"HOST": "0.0.0.0", "DEBUG": "false", "LOG_LEVEL": "ERROR", "LOG_FORMAT": "text", "RAG_TOP_K": "7"}
    special |= {"RAG_EMBEDDING_TYPE": "local", "RAG_EMBEDDING_ENGINE": "sentence-transformers"}
    special |= {"RAG_LOCAL_EMBEDDING_MODEL": "all-MiniLM-L6-v2", "RAG_VECTOR_DIMENSION": "384", "RAG_LIKELY": "0.1"}
    special |= {"RAG_SIMILARITY_THRESHOLD": "0.1", "RAG_TEXT_WEIGHT": "0.1", "TRUSTED_PROXIES": "10.0.0.0/8"}
    special |= {"VECTOR_DB_URL": "http://q", "GEMINI_BASE_URL": "http://g", "RATE_LIMIT_CHAT": "1/day"}
    special |= {"RATE_LIMIT_LOGIN": "1/day"}
    special |= {"DATABASE_DIRECT_URL": "postgresql://u:p@direct/name", "MIGRATE_AT_START": "false"}
    special |= {"CSRF_TRUSTED_ORIGINS": "https://x.example", "SECURE_SSL_REDIRECT": "false"}
    texts = {"SITE_NAME", "CONTACT", "DATA_DIR", "MODEL_DIR", "DB_NAME", "DB_USER", "DB_HOST", "GEMINI_API_KEY"}
    texts |= {"GEMINI_MODEL", "QDRANT_HOST", "QDRANT_API_KEY", "QDRANT_COLLECTION_NAME"}
    return special.get(name) or ("given" if name in texts else "11")


def test_one_trailing_newline_of_a_file_is_dropped_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "password"
    for content, means in (
        ("w0rd", "w0rd"),
        ("w0rd\n", "w0rd"),
        ("w0rd\r\n", "w0rd"),
        ("w0rd\n\n", "w0rd\n"),
        (" w \n", " w "),
    ):
        file.write_bytes(content.encode())
        assert plain(load({"DB_NAME": "n", "DB_PASSWORD_FILE": str(file)}).DB_PASSWORD) == means


def test_a_variable_and_its_file_may_not_both_be_set(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    assert faults({**PRODUCTION, "SECRET_KEY_FILE": str(file)}) == [
        "SECRET_KEY and SECRET_KEY_FILE are both set. Keep one of them."
    ]
    assert load({**PRODUCTION, "SECRET_KEY": "", "SECRET_KEY_FILE": str(file)})


@pytest.mark.parametrize("kind", ["absent", "folder", "binary", "large", "pipe", "impossible"])
def test_a_file_that_is_no_text_is_a_fault(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "large":
        path.write_text("x" * 65_537)
    elif kind == "impossible":
        path = Path("x" * 5000)
    assert named({"GEMINI_API_KEY_FILE": str(path)}) == ["GEMINI_API_KEY_FILE"]


def test_a_fault_in_a_file_names_the_file_variable(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("hunter2")
    (fault,) = faults({"PORT_FILE": str(file)})
    assert fault.startswith("PORT, read from PORT_FILE, must be a whole number from 1 to 65535.")


@pytest.mark.parametrize("empty", ["", " ", "\t \n"])
def test_empty_is_not_set(empty: str, tmp_path: Path) -> None:
    assert load(dict.fromkeys(NAMES, empty)) == load({})
    file = tmp_path / "empty"
    file.write_text(empty)
    assert load({f"{name}_FILE": str(file) for name in NAMES}) == load({})
