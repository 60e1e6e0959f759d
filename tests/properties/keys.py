"""Keys: where one would stand if it were in the code, and whether the one that was given is the one in use."""

from __future__ import annotations

import re
import subprocess
from functools import cache

from tests.servers import PROJECT

NAMES = ("GEMINI_API_KEY", "SECRET_KEY", "QDRANT_API_KEY")
KEYS = re.compile(
    r"AIza[0-9A-Za-z_-]{35}|sk-[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[\w.-]+:[\w.-]+@(?!host|db|localhost|redis)"
    r"|(?i:secret_key|api_key|password) *= *[\"'][A-Za-z0-9_+/-]{16,}[\"']"
)
# The tests hold keys that open nothing.
LEFT_OUT = ("tests/", "bench/")

# A key is in use where Gemini, asked by the product's own client, is shown it, and where a signature is made with it.
USED = """
from django.conf import settings
from django.core import signing
from rag.answering.generation import GeminiGenerator
from rag.errors import ServiceUnavailable
try:
    GeminiGenerator().probe(seconds=20)
    gemini = "taken"
except ServiceUnavailable as error:
    gemini = error.reason
result = {"gemini": gemini, "qdrant": settings.QDRANT_API_KEY, "signed": signing.Signer(salt="keys").sign("word")}
"""


@cache
def texts() -> list[tuple[str, str]]:
    """Every file that a checkout has, but for the tests."""
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True).stdout.split()
    folders = ("console", "docker", "docs", "faq", "monitoring", "nginx", "rag", "bin")
    walked = [str(path.relative_to(PROJECT)) for one in folders for path in (PROJECT / one).rglob("*")]
    names = sorted({*(listed or walked), "compose.yml"})
    files = [(name, PROJECT / name) for name in names if not name.startswith(LEFT_OUT)]
    return [(name, path.read_text(errors="replace")) for name, path in files if path.is_file()]


def key_in(text: str) -> bool:
    return bool(KEYS.search(text))
