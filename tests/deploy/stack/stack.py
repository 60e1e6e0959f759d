"""The stack as its operator has it: a folder with compose.yml, .env and secrets, and `docker compose`."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import HTTPCookieProcessor, HTTPSHandler, ProxyHandler, build_opener

from tests.deploy.stack.document import commands, follow, repository
from tests.servers import until
from tests.stack.asker import Asker

PROJECT_NAME = "steadfast-stack-test"
SERVICES = ("nginx", "app", "worker", "db", "redis", "qdrant", "prometheus", "alertmanager", "grafana")
APP_IMAGE, EDGE_IMAGE = "steadfast-app:stack-test", "steadfast-edge:stack-test"
HTTP, HTTPS, GRAFANA = 18580, 18543, 18530
PATIENCE = 420.0
SETTINGS = {
    "COMPOSE_PROJECT_NAME": PROJECT_NAME,
    "HTTP_PORT": str(HTTP),
    "HTTPS_PORT": str(HTTPS),
    "GRAFANA_PORT": str(GRAFANA),
    "APP_IMAGE": APP_IMAGE,
    "EDGE_IMAGE": EDGE_IMAGE,
    "CSRF_TRUSTED_ORIGINS": f"https://localhost:{HTTPS}",
    "RATE_LIMIT_CHAT": "100000/second",
    "EDGE_RATE": "100000r/s",
    "EDGE_BURST": "10000",
    "EDGE_RATE_QUESTIONS": "100000r/s",
    "EDGE_BURST_QUESTIONS": "10000",
    # For `createsuperuser --no-input`, and for curl.
    "DJANGO_SUPERUSER_PASSWORD": "op-pass-1",
    "NO_PROXY": "localhost",
}


class Visitor(Asker):
    """Asks over HTTPS, trusting the certificate that nginx made."""

    def __init__(self, address: str, trust: ssl.SSLContext) -> None:
        super().__init__(address)
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies), HTTPSHandler(context=trust))


class Stack:
    running: ClassVar[list[Stack]] = []

    def __init__(self, folder: Path) -> None:
        self.source = repository(folder / "source")
        self.folder = folder / "steadfast"
        self.environment = {**os.environ, **SETTINGS}

    # --- as docs/deploy.md says ---

    def deploy(self) -> None:
        """From nothing to a stack with content, somebody for the console, and everything in the index."""
        self.running.append(self)
        start, content, check = commands("deploy.md")["Ten minutes"]
        follow(
            start,
            self.folder.parent,
            self.environment,
            {"REPOSITORY": str(self.source), "faq.example.org": "localhost"},
        )
        self.until_healthy()
        person = {
            "exec app": "exec -e DJANGO_SUPERUSER_PASSWORD app",
            "createsuperuser": "createsuperuser --no-input --username op --email op@localhost",
        }
        self.type(content, person)
        until(self._indexed, "the worker indexes what was imported", PATIENCE, pause=1)
        assert "No drift" in self.type(check)

    def type(self, block: str, instead: Mapping[str, str] = {}) -> str:
        """A block of the page, in the folder that was cloned."""
        return follow(block, self.folder, self.environment, instead)

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

    def up(self) -> None:
        self.compose("up", "-d")
        self.until_healthy()

    def _indexed(self) -> bool:
        code = "from rag.index.coverage import coverage; now = coverage(); print(now.published > 50 and now.complete)"
        return self.python(code).strip() == "True"

    def manage(self, *words: str) -> str:
        return self.inside("app", "python", "manage.py", *words)

    def python(self, code: str) -> str:
        return self.manage("shell", "-v0", "-c", code)

    def remove(self) -> None:
        self.compose("down", "-v", "--remove-orphans", check=False)
        subprocess.run(["docker", "image", "rm", APP_IMAGE, EDGE_IMAGE], capture_output=True)
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
