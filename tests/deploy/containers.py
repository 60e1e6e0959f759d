"""A container's process without the container: the entrypoint with an environment that says everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.servers import PROJECT, dies_with_us, free_port

KEY = "k3y-F0r.teSts_" * 4
HOST = "faq.example.org"


def environment(database_url: str, redis_url: str = "redis://127.0.0.1:1/0", **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(Path.home()),
        "DJANGO_ENV": "production",
        "SECRET_KEY": KEY,
        "ALLOWED_HOSTS": HOST,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "VECTOR_DB_URL": "http://127.0.0.1:1",
        "MODEL_DIR": str(settings.MODEL_DIR),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "HF_HUB_OFFLINE": "1",
        **more,
    }


def begin(role: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "console.start", role],
        cwd=PROJECT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=dies_with_us(),
    )


def ended(process: subprocess.Popen[str], seconds: float = 90) -> tuple[int, list[dict[str, Any]]]:
    """Its exit status, and its log."""
    try:
        text = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it goes on and on:\n{process.communicate()[0]}") from None
    return process.returncode, [_line(line) for line in text.splitlines()]


def _line(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {"message": text}
    return line if isinstance(line, dict) else {"message": text}


def messages(log: list[dict[str, Any]]) -> str:
    return "\n".join(str(line.get("message", "")) for line in log)
