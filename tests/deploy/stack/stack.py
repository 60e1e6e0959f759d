"""The stack as its operator has it: a folder with compose.yml, .env and secrets, and `docker compose`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import HTTPCookieProcessor, HTTPSHandler, ProxyHandler, build_opener

from tests.servers import PROJECT, until
from tests.stack.asker import Asker

PROJECT_NAME = "steadfast-stack-test"
SERVICES = ("nginx", "app", "worker", "db", "redis", "qdrant", "prometheus", "alertmanager", "grafana")
PARTS = ("console", "docker", "faq", "monitoring", "nginx", "rag")
FILES = ("compose.yml", "manage.py", "requirements.txt", ".dockerignore")
HTTP, HTTPS, GRAFANA = 18580, 18543, 18530
PATIENCE = 180.0
ENVIRONMENT = f"""\
ALLOWED_HOSTS=localhost
HTTP_PORT={HTTP}
HTTPS_PORT={HTTPS}
GRAFANA_PORT={GRAFANA}
APP_IMAGE=steadfast-app:stack-test
EDGE_IMAGE=steadfast-edge:stack-test
CSRF_TRUSTED_ORIGINS=https://localhost:{HTTPS}
RATE_LIMIT_CHAT=100000/second
EDGE_RATE=100000r/s
EDGE_BURST=10000
EDGE_RATE_QUESTIONS=100000r/s
EDGE_BURST_QUESTIONS=10000
"""


class Visitor(Asker):
    """Asks over HTTPS, trusting the certificate that nginx made."""

    def __init__(self, address: str, trust: ssl.SSLContext) -> None:
        super().__init__(address)
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies), HTTPSHandler(context=trust))


class Stack:
    running: ClassVar[list[Stack]] = []

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in PARTS:
            shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy(PROJECT / name, folder)
        (folder / ".env").write_text(ENVIRONMENT)
        subprocess.run([folder / "docker" / "prepare"], check=True, capture_output=True)
        self.environment = {**os.environ, "COMPOSE_PROJECT_NAME": PROJECT_NAME, "COMPOSE_OPTIONS": f"-p {PROJECT_NAME}"}

    # --- as its operator does ---

    def compose(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "compose", "-p", PROJECT_NAME, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, (
            f"docker compose {words}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout

    def build(self) -> None:
        self.compose("build")

    def up(self) -> None:
        self.running.append(self)
        self.compose("up", "-d")
        self.until_healthy()

    def fill(self) -> None:
        """Content, a person for the console, and everything in the index."""
        self.manage("import_entries", "faq/guide/guide.csv", "--publish")
        self.python(
            "from django.contrib.auth.models import User; User.objects.create_superuser('op', password='op-pass-1')"
        )
        until(self._indexed, "the worker indexes what was imported", PATIENCE, pause=1)

    def _indexed(self) -> bool:
        code = "from rag.index.coverage import coverage; now = coverage(); print(now.published > 50 and now.complete)"
        return self.python(code).strip() == "True"

    def manage(self, *words: str) -> str:
        return self.inside("app", "python", "manage.py", *words)

    def python(self, code: str) -> str:
        return self.manage("shell", "-v0", "-c", code)

    def remove(self) -> None:
        self.compose("down", "-v", "--remove-orphans", check=False)
        images = ["steadfast-app:stack-test", "steadfast-edge:stack-test"]
        subprocess.run(["docker", "image", "rm", *images], capture_output=True)
        if self in self.running:
            self.running.remove(self)

    # --- as its askers do ---

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.inside("nginx", "cat", "/srv/certificates/fullchain.pem"))

    def visitor(self) -> Visitor:
        return Visitor(f"https://localhost:{HTTPS}", self.trust)

    # --- as the engine sees it ---

    def containers(self, service: str) -> list[dict[str, Any]]:
        labels = [f"project={PROJECT_NAME}", f"service={service}", "oneoff=False"]
        chosen = [word for label in labels for word in ("--filter", f"label=com.docker.compose.{label}")]
        ids = docker("ps", "-aq", *chosen).split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return found

    def container(self, service: str) -> dict[str, Any]:
        found = self.containers(service)
        assert found, f"{service} has no container"
        return found[0]

    def states(self) -> dict[str, str]:
        """Health by service; of several containers, each that is not well."""
        return {service: ",".join(sorted(map(_health, self.containers(service)))) or "absent" for service in SERVICES}

    def inside(self, service: str, *words: str) -> str:
        """A command in a container."""
        return docker("exec", self.container(service)["Id"], *words)

    def until_healthy(self) -> None:
        until(lambda: set(self.states().values()) == {"healthy"}, "every service is healthy", PATIENCE, pause=1)

    def kill(self, service: str) -> None:
        """As the kernel would; `docker kill` would count as stopped by hand."""
        before = self.container(service)["State"]
        os.kill(before["Pid"], signal.SIGKILL)
        until(
            lambda: self.container(service)["State"]["StartedAt"] != before["StartedAt"], f"{service} starts anew", 60
        )

    def story(self) -> str:
        return f"{self.states()}\n{self.compose('logs', '--no-color', '--tail=25', check=False)[-12_000:]}"


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"docker {words}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _health(container: dict[str, Any]) -> str:
    state = container["State"]
    return str(state["Health"]["Status"]) if state["Running"] else str(state["Status"])
