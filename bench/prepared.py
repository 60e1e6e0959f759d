"""Django for a bench that works within its own process: import it first. A folder of its own, gone with the process."""

from __future__ import annotations

import os
import tempfile

FOLDER = tempfile.TemporaryDirectory(prefix="steadfast-bench-")
os.environ |= {
    "DJANGO_ENV": "development",
    "DJANGO_SETTINGS_MODULE": "console.settings",
    "DATA_DIR": FOLDER.name,
    "LOG_LEVEL": "ERROR",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
for name in ("DATABASE_URL", "REDIS_URL", "VECTOR_DB_URL", "QDRANT_HOST", "GEMINI_API_KEY"):
    os.environ.pop(name, None)
if "BENCH_DATABASE_URL" in os.environ:  # of a server that a bench started for itself
    os.environ["DATABASE_URL"] = os.environ["BENCH_DATABASE_URL"]

import django  # noqa: E402  # the environment first

django.setup()
