"""What the application's image is made from: the lock, and what the Dockerfile's stages hand on to its last."""

from __future__ import annotations

import ast
import fnmatch
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker

from tests.deploy.conftest import PARTS
from tests.servers import PROJECT

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\\n]+))?", re.MULTILINE)
OPTIONAL = {"sentence_transformers", "torch"}  # the extra `reference`, for comparison only
NEVER = (
    "tests/*",
    "docs/*",
    "bench/*",
    "docker/*",
    "nginx/*",
    "bin/*",
    ".*",
    "README*",
    "CHANGELOG*",
    "Makefile",
    "*requirements*",
    "compose*",
)
TOOLS = ("pip", "setuptools", "wheel", "uv", "cython", "ninja", "cmake", "meson", "maturin")
PASSED_OVER = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
# In any process that has the product's packages: whether they are there whole, in which version, and can be imported.
INSTALLED = """
import importlib, importlib.metadata
result = {}
for name in names:
    for file in importlib.metadata.files(name) or []:
        assert file.locate().exists() or file.suffix == ".pyc" or ".." in file.parts, file
    result[name] = importlib.metadata.version(name)
importlib.import_module(module.partition(".")[0])
"""


def locked(name: str) -> dict[str, str]:
    """What a lock holds for this Python on this system."""
    found = PINNED.findall((PROJECT / name).read_text())
    return {package: version for package, version, marker in found if not marker or Marker(marker).evaluate()}


LOCK, DEV = locked("requirements.txt"), locked("requirements-dev.txt")


# --- what the code imports ------------------------------------------------------------------------------------------


@cache
def product_files() -> list[Path]:
    return sorted(path for part in PARTS for path in (PROJECT / part).rglob("*.py") if "/migrations/" not in str(path))


@cache
def imported(path: Path) -> set[str]:
    """The modules of others that a file names, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    others = {name for name in names if name.partition(".")[0] not in {*PARTS, *sys.stdlib_module_names}}
    return others - OPTIONAL


@cache
def modules() -> list[str]:
    """All that the product imports of others."""
    return sorted({module for path in product_files() for module in imported(path)})


by_module = cache(metadata.packages_distributions)


def distributions_of(module: str) -> set[str]:
    return {name.lower().replace("_", "-").replace(".", "-") for name in by_module().get(module.partition(".")[0], [])}


# --- what is copied -------------------------------------------------------------------------------------------------


@cache
def copied() -> list[str]:
    """What the stages that end in the application's image take from this folder."""
    stages = re.split(r"^FROM ", (PROJECT / "docker" / "Dockerfile").read_text(), flags=re.MULTILINE)
    by_name = {stage.split()[2]: stage for stage in stages if stage.split()[1:2] == ["AS"]}
    taken: list[str] = []
    for line in re.findall(r"^COPY (.+)$", by_name["app"], re.MULTILINE):
        source = re.match(r"--from=(\w+) (\S+)", line)
        if source is None:
            taken += line.split()[:-1]
        elif source[2] == "/app":
            taken += [one for words in _own_copies(by_name[source[1]]) for one in words.split()[:-1]]
    return taken


def _own_copies(stage: str) -> list[str]:
    return re.findall(r"^COPY (?!--)(.+)$", stage, re.MULTILINE)


def goes_in(path: str) -> bool:
    return _within(path, copied()) and not _within(path, _left_out())


def _within(path: str, some: list[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in some)


@cache
def _left_out() -> list[str]:
    """What .dockerignore keeps from the build although its folder is let in."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and line[0] not in "#!*"]


def forbidden(path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in NEVER)


@cache
def repository() -> list[str]:
    files = (path for path in PROJECT.rglob("*") if path.is_file())
    relative = (path.relative_to(PROJECT) for path in files)
    return sorted(str(path) for path in relative if not PASSED_OVER & set(path.parts))
