"""The plan of the house, held: arrows point down, an SDK has one home, files stay small, nothing heavy loads early."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.servers import PROJECT

# From the roof down. A floor may look at itself and at what is below it.
FLOORS = ("console", "monitoring", "rag", "faq")
EXCEPTION = re.compile(r"# (type: ignore\[[^]]*\]|noqa: [A-Z0-9, ]+)$")
# Each outside SDK and where it may be imported: a file, or a folder with everything in it.
HOMES = {
    "django_rq": ("rag/index/runners.py", "console/settings"),
    "django_prometheus": ("monitoring/frame.py",),
    "google": ("rag/answering/generation.py",),
    "gunicorn": ("console/draining.py",),
    "httpcore": ("rag/index/vector_store.py",),
    "httpcore2": ("rag/bounded_http.py",),
    "httpx": ("rag/index/vector_store.py",),  # what qdrant-client raises
    "httpx2": ("rag/answering", "rag/bounded_http.py"),  # what google-genai speaks, and raises
    "huggingface_hub": (),
    "import_export": ("faq/transfer", "console/admin"),
    "limits": ("rag/chat/limits.py",),
    "markdown_it": ("rag/chat", "console/plain_markdown.py"),
    "nh3": ("rag/chat",),
    "onnx": ("rag/index/model_export.py",),
    "onnxruntime": ("rag/index/embedding.py", "rag/index/quantising.py"),
    "openpyxl": ("faq/transfer",),
    "prometheus_client": ("rag/metrics.py", "monitoring"),
    "psycopg": ("rag/silence.py",),
    "qdrant_client": ("rag/index/vector_store.py",),
    "qdrant_edge": (),
    "redis": ("rag/index/runners.py", "rag/sparing_redis.py", "monitoring"),
    "rq": ("rag/index/runners.py", "console/settings"),
    "sentence_transformers": ("rag/index/embedding.py",),
    "snowballstemmer": ("faq/wording.py",),
    "tokenizers": ("rag/index/embedding.py",),
    "torch": ("rag/index/embedding.py",),
}
# What takes long to load or much memory: never at the start, only where it is used.
HEAVY = ("torch", "sentence_transformers", "google.genai", "qdrant_client", "onnxruntime", "tokenizers")
NAMELESS = {"utils", "helpers", "common", "core", "services", "misc", "util", "helper"}
LONGEST_FILE = 300
LONGEST_FUNCTION = 40


@cache
def product() -> tuple[Path, ...]:
    files = [path for floor in FLOORS for path in sorted((PROJECT / floor).rglob("*.py"))]
    return tuple(path.relative_to(PROJECT) for path in files if "migrations" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((PROJECT / path).read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, in functions and under TYPE_CHECKING too, by its whole name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _whole_name(path, node)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _whole_name(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
    return ".".join([*package, node.module or ""]).rstrip(".")


def top(module: str) -> str:
    return module.partition(".")[0]


def test_there_is_a_product_to_look_at() -> None:
    assert len(product()) > 60
    assert "django_rq" in imports(Path("rag/index/runners.py"))  # in a function


def test_imports_point_only_down() -> None:
    up = [
        f"{path} imports {module}"
        for path in product()
        for module in imports(path)
        if top(module) in FLOORS and FLOORS.index(top(module)) < FLOORS.index(path.parts[0])
    ]
    assert not up


def test_names_in_text_point_only_down() -> None:
    """What a string names is imported as well, only later: dotted paths of classes, receivers, views."""
    up = []
    for path in product():
        floor = FLOORS.index(path.parts[0])
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_dotted(node.value):
                named = top(node.value)
                if named in FLOORS and FLOORS.index(named) < floor and _exists(node.value):
                    up.append(f"{path} names {node.value}")
    assert not up


def _is_dotted(text: str) -> bool:
    return "." in text and all(part.isidentifier() for part in text.split("."))


def _exists(module: str) -> bool:
    parent = PROJECT.joinpath(*module.split(".")[:-1])
    return parent.is_dir() or parent.with_suffix(".py").is_file()


def test_nothing_in_the_product_imports_the_tests() -> None:
    assert not [path for path in product() for module in imports(path) if top(module) in {"tests", "bench"}]


@pytest.mark.parametrize("sdk", sorted(HOMES))
def test_an_sdk_is_imported_in_its_home_only(sdk: str) -> None:
    elsewhere = [
        f"{path} imports {module}"
        for path in product()
        for module in imports(path)
        if top(module) == sdk and not any(path.is_relative_to(home) for home in HOMES[sdk])
    ]
    assert not elsewhere


def test_every_sdk_that_is_imported_is_known_here() -> None:
    """A new one needs a home in HOMES; Django and what belongs to it is at home everywhere."""
    at_home = {
        *("django", "unfold", "simple_history", "csp", "tablib"),
        *("numpy", "pydantic", "pydantic_core", "pydantic_settings", "annotated_types", "rich", "pythonjsonlogger"),
        *sys.stdlib_module_names,
        *FLOORS,
    }
    unknown = {top(module) for path in product() for module in imports(path)} - at_home - set(HOMES)
    assert not unknown


def test_no_file_bears_a_name_that_says_nothing() -> None:
    assert not [path for path in product() if NAMELESS & {path.stem, *path.parent.parts}]


def test_files_are_short() -> None:
    long = {str(path): lines for path in product() if (lines := _lines(path)) > LONGEST_FILE}
    assert not long


def _lines(path: Path) -> int:
    return len((PROJECT / path).read_text(encoding="utf-8").splitlines())


def test_functions_are_short() -> None:
    long = [
        f"{path}:{node.lineno} {node.name} has {length} lines"
        for path in product()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long


def test_every_module_says_in_its_first_line_what_lives_in_it() -> None:
    silent = [path for path in product() if path.stem != "__init__" and not ast.get_docstring(tree(path))]
    assert not silent


def test_every_exception_to_a_rule_has_its_reason_beside_it() -> None:
    bare = [
        f"{path.relative_to(PROJECT)}:{number}"
        for folder in (*FLOORS, "bench", "tests")
        for path in (PROJECT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if EXCEPTION.search(line)
    ]
    assert not bare


# Runs in a process of its own: whatever is imported, and what that reaches for.
START = """
import sys

reached = []


def audit(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect"):
        reached.append(event)


sys.addaudithook(audit)
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings"
import django

django.setup()
import console.urls
import console.wsgi
%s
print(*(f"loaded {name}" for name in %r if name in sys.modules), *reached, sep="\\n")
"""


def start(environment: dict[str, str], folder: Path, also: str = "") -> list[str]:
    """What a fresh process has loaded and reached for when settings, addresses and wsgi are imported."""
    ran = subprocess.run(
        [sys.executable, "-c", START % (also, HEAVY)],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split("\n")[:-1]


def test_an_embedded_start_loads_nothing_heavy_and_reaches_for_nothing(tmp_path: Path) -> None:
    assert start({}, tmp_path) == [""]


def test_a_start_with_servers_loads_nothing_heavy_and_reaches_for_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        names = {
            "DATABASE_URL": f"postgresql://nobody@{address}/none",
            "REDIS_URL": f"redis://{address}/0",
            "VECTOR_DB_URL": f"http://{address}",
            "GEMINI_API_KEY": "a-key-that-nobody-knows",
            "GEMINI_BASE_URL": f"http://{address}",
        }
        assert start(names, tmp_path) == [""]
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody knocked: PostgreSQL's library has no audit events
            server.accept()


def test_the_look_at_a_start_sees_what_it_is_to_see(tmp_path: Path) -> None:
    also = """
import onnxruntime, socket, sqlite3
sqlite3.connect(":memory:").close()
socket.socket().connect_ex(("127.0.0.1", 9))
"""
    assert start({}, tmp_path, also) == ["loaded onnxruntime", "sqlite3.connect", "socket.connect"]
