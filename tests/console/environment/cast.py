"""What these tests share: a production that is valid, and ways to ask what is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.environment import InvalidEnvironment, load

PROJECT = Path(__file__).resolve().parents[3]


KEY = "k3y-F0r.teSts_" * 4


PRODUCTION = {
    "DJANGO_ENV": "production",
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "faq.example.org",
    "DATABASE_URL": "postgresql://steadfast:w0rd@db:5432/steadfast",
    "REDIS_URL": "redis://:passw0rd@redis:6379/0",
}


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidEnvironment) as refused:
        load(environ)
    return refused.value.problems


def named(environ: dict[str, str]) -> list[str]:
    """The variables at fault, in the order told."""
    return [fault.split()[0] for fault in faults(environ)]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
