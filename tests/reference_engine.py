"""Installs sentence-transformers, the reference engine of the tests: `python -m tests.reference_engine`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

TORCH = "torch==2.13.0"  # named exactly and first, where a local CPU build exists it is taken
REFERENCE = "sentence-transformers~=6.2"

if __name__ == "__main__" and importlib.util.find_spec("sentence_transformers") is None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, TORCH], check=True)
    subprocess.run([*pip, REFERENCE], check=True)
