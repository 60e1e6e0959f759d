"""What the fuzzer says, and where it knocks."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings

SHARED = Path(settings.BASE_DIR).parent / "shared" / "data" / "nasty"
NASTY = SHARED / "naughty_strings.jsonl"
OWN = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u202eabc",
    "\u200b" * 9,
    "e" + "\u0301" * 999,
    "\ud800",
    "👩‍👩‍👧",
    "'; DROP TABLE faq_entry;--",
]
OWN += [
    "<script>alert(1)</script>",
    "{{7*7}}",
    "../../../etc/passwd",
    "%00",
    "A" * 5_000,
    "-1",
    "1e309",
    "NaN",
    "٣",
    "١٢",
]
OWN += [
    "javascript:alert(1)",
    "//evil.example",
    "/\\evil.example",
    "9" * 400,
    "null",
    "0x10",
    "2025-13-45",
    "=cmd|' /C calc'!A0",
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get"]
TYPES = ["application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data", "", "a/b/c", "\t"]
PAGES = [
    "/",
    "/entries/opening/",
    "/entries/%ff/",
    "/healthz",
    "/readyz",
    "/api/openapi.json",
    "/robots.txt",
    "/static/../x",
]
ODD_PATHS = [
    "/%2e%2e/%2e%2e/etc/passwd",
    "//",
    "/;/",
    "/.git/config",
    "/static/%00",
    "/api/chat/x/feedback/",
    "/\\",
    "/admin//",
]
LISTS = [
    "faq/entry",
    "faq/category",
    "rag/job",
    "rag/receipt",
    "rag/generation",
    "auth/user",
    "auth/group",
    "console/auditevent",
]
LISTS += ["rag/missgroup", "rag/case"]


def naughty() -> list[str]:
    texts = list(OWN)
    if NASTY.exists():
        for line in NASTY.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts.append(str(row.get("text", row.get("string", row)) if isinstance(row, dict) else row))
    return texts


def files() -> list[bytes]:
    """Of entries, each wrong in a way of its own; some kilobytes at most."""
    own = [b"question,answer\nWhat is it?,It is.\n", b"", b"PK\x03\x04" + b"\0" * 40, b"a" * 70_000]
    return own + [path.read_bytes() for path in sorted((SHARED / "csv").glob("*"))]
