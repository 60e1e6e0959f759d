"""Starts of the product's own code, each in a process of its own that is quickly there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tests.servers import PROJECT, dies_with_us

HEAVY = """
import django, django.db, django.conf, django.core.management.commands.migrate, django.core.management.commands.check
import django.db.models, django.test, django.urls, django.views.debug, django.db.backends.postgresql.base
import pydantic_settings, psycopg, psycopg_pool, csp.constants, pythonjsonlogger.json, unfold, gunicorn.app.wsgiapp
import gunicorn.workers.gthread, limits, redis, django_redis.client, prometheus_client, django_prometheus, ipaddress
import django_prometheus.db.backends.postgresql.base
import console.environment, console.environment.report, importlib.metadata, email.parser, zipfile
import google.genai, google.genai.types, httpx2
"""
# Any connection, bound port or name looked up by Python is told on standard output.
WATCHED = """
import sys
def _watch(event, details):
    if event in {"socket.bind", "socket.connect", "socket.getaddrinfo"}:
        sys.stdout.write(f"SOCKET {event} {details[1:] if event != 'socket.getaddrinfo' else details[:2]}\\n")
sys.addaudithook(_watch)
"""
ENTRYPOINT = "import runpy; runpy.run_module('console.start', run_name='__main__', alter_sys=False)"


@dataclass(frozen=True)
class End:
    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Starts:
    """`run(code, environ)` as `python -c code` would, but from a process that has the libraries in memory."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.properties.zygote", HEAVY],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=dies_with_us(),
        )

    def run(
        self, code: str, environ: Mapping[str, str] | None = None, *argv: str, times: int = 1, **values: Any
    ) -> list[End]:
        assert self._process.stdin and self._process.stdout
        given = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "console.settings", **(environ or {})}
        job = {"code": code, "environ": given, "argv": ["-c", *argv], "times": times, "values": values}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return [End(**one) for one in json.loads(self._process.stdout.readline())]

    def one(self, code: str, environ: Mapping[str, str] | None = None, *argv: str, **values: Any) -> End:
        (end,) = self.run(code, environ, *argv, **values)
        return end

    def value(self, code: str, environ: Mapping[str, str] | None = None, **values: Any) -> Any:
        """What `code` leaves in `result`."""
        end = self.one(f"{code}\nimport json; print(json.dumps(result, default=str))", environ, **values)
        assert end.status == 0, end.text
        return json.loads(end.out.splitlines()[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate(timeout=20)
