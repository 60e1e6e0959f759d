"""For the tests: nothing of the shell's environment but the servers that they are to use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from console import environment

# A given DATA_DIR is somebody's own: kept.
_made = None if "DATA_DIR" in os.environ else tempfile.mkdtemp(prefix="steadfast-test-")
if _made:
    atexit.register(shutil.rmtree, _made, ignore_errors=True)
_taken = (
    "DATABASE_URL",
    "DATA_DIR",
    "MODEL_DIR",
    "XDG_CACHE_HOME",
    "REDIS_URL",
    "VECTOR_DB_URL",
    "QDRANT_API_KEY",
)
_given = {name: os.environ[name] for name in _taken if name in os.environ}
environment.use(environment.load({"SECRET_KEY": "tests-" * 10, "DATA_DIR": _made or "", **_given}))

from console.settings.base import *  # noqa: E402, F403  # the environment first; settings are all of them
from console.settings.base import DATA_DIR, DATABASES  # noqa: E402  # the environment first

DATA_DIR.mkdir(parents=True, exist_ok=True)
# A file, as threads with connections of their own would find an in-memory database locked.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
RATE_LIMIT_ENFORCED = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
