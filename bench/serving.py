"""The sides as processes: the product as it runs with PostgreSQL and Redis, and whatever else speaks HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from tests.servers import PROJECT, Postgresql, Redis, Server

OPENER = build_opener(ProxyHandler({}))
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "python:console.gunicorn")


class Serving(Server):
    """A program that listens where PORT says, in an environment of its own."""

    start_seconds = 180.0  # torch takes its time

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, ready: str = "/") -> None:
        super().__init__()
        self._words, self._ready = words, ready
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(Path.home()),
            "PYTHONPATH": str(PROJECT),
            "PORT": str(self.port),
            **environment,
        }
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        return ["env", "-i", *(f"{k}={v}" for k, v in self.environment.items()), *self._words]

    def answers(self) -> bool:
        try:
            return bool(OPENER.open(self.url + self._ready, timeout=30).status == 200)
        except HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class Ground:
    """PostgreSQL, Redis and a database with the FAQ, indexed: `with Ground(file) as ground`."""

    def __init__(self, faq: Path, **environment: str) -> None:
        self._faq, self._environment = faq, environment
        self.postgresql, self.redis = Postgresql(), Redis()

    def __enter__(self) -> Ground:
        self.postgresql.start()
        self.redis.start()
        self.database = self.postgresql.new_database("bench")
        self.manage("migrate", "--verbosity", "0")
        self.manage("fetch_model")
        self.manage("import_entries", str(self._faq), "--publish")
        self.manage("reindex")
        return self

    def __exit__(self, *exc: object) -> None:
        self.redis.close()
        self.postgresql.close()

    @property
    def environment(self) -> dict[str, str]:
        """Production's settings but for HTTPS, which is nginx's; logs and all else as shipped."""
        return {
            "DJANGO_ENV": "development",
            "DEBUG": "false",
            "LOG_FORMAT": "json",
            "DATABASE_URL": self.database,
            "REDIS_URL": self.redis.url,
            "DB_POOL_MAX": "8",
            "DATA_DIR": str(self.redis.folder),
            "RATE_LIMIT_CHAT": "100000/second",
            "ALLOWED_HOSTS": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **self._environment,
        }

    def manage(self, *words: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), **self.environment, "DB_POOL_MAX": "0"}
        done = subprocess.run(
            [sys.executable, "manage.py", *words], env=environment, cwd=PROJECT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def product(self, *, workers: int = 2, **environment: str) -> Serving:
        """Gunicorn as `make run` starts it."""
        mine = self.environment | {"WEB_CONCURRENCY": str(workers), "MAX_REQUESTS": "0"} | environment
        return Serving(GUNICORN, mine, ready="/readyz")

    @property
    def servers(self) -> dict[str, list[int]]:
        assert self.postgresql._process and self.redis._process
        return {"PostgreSQL": [self.postgresql._process.pid], "Redis": [self.redis._process.pid]}


def token(url: str) -> dict[str, str]:
    """The headers that a question needs: the cookie of the CSRF check and its value."""
    try:
        OPENER.open(url + "/api/chat/")
    except HTTPError as refused:  # a GET is refused, and leaves the cookie
        cookie = str(refused.headers["Set-Cookie"]).partition(";")[0]
        refused.close()
        return {"Cookie": cookie, "X-CSRFToken": cookie.partition("=")[2], "Origin": url}
    raise AssertionError("no cookie")
