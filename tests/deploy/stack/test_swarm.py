"""docs/scaling.md on a swarm of one machine: docker/stack.yml deployed, updated under load, rolled back, and scaled."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.deploy.stack.document import commands, follow
from tests.deploy.stack.load import Load
from tests.deploy.stack.stack import APP_IMAGE, HTTPS, PATIENCE, Stack, Visitor, docker
from tests.servers import until

NAME = "steadfast-swarm-test"
NEXT = "steadfast-app:swarm-test-2"
DEPLOY, UPDATE = commands("scaling.md")["Two machines or twenty: Docker Swarm"]
QUESTION = "How do I import my FAQ?"
LEAST = 3_000


@dataclass(frozen=True)
class Swarm:
    stack: Stack

    def tasks(self, service: str) -> list[str]:
        """Its containers that are healthy."""
        chosen = f"label=com.docker.swarm.service.name={NAME}_{service}"
        return docker("ps", "-q", "--filter", chosen, "--filter", "health=healthy").split()

    def images(self, service: str) -> set[str]:
        return {docker("inspect", "-f", "{{.Config.Image}}", one).strip() for one in self.tasks(service)}

    def inside(self, service: str, *words: str) -> str:
        return docker("exec", self.tasks(service)[0], *words)

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.inside("nginx", "cat", "/srv/certificates/fullchain.pem"))

    def type(self, block: str, instead: dict[str, str]) -> str:
        return follow(block, self.stack.folder, self.stack.environment, instead)

    def story(self) -> str:
        tasks = docker("stack", "ps", "--no-trunc", "--format", "{{.Name}} {{.CurrentState}} {{.Error}}", NAME)
        logs = [self.log(service) for service in ("app", "nginx")]
        return "\n".join([tasks, *logs])

    def log(self, service: str) -> str:
        done = subprocess.run(
            ["docker", "service", "logs", "--raw", "--tail", "25", f"{NAME}_{service}"], capture_output=True, text=True
        )
        return done.stdout + done.stderr


def in_a_swarm() -> bool:
    return docker("info", "-f", "{{.Swarm.LocalNodeState}}").strip() == "active"


@pytest.fixture(scope="module")
def swarm(stack: Stack) -> Iterator[Swarm]:
    """The other stack rests. The swarm is left afterwards, whatever happens."""
    assert not in_a_swarm(), "this machine is in a swarm already, which the test would have to leave"
    stack.compose("stop")
    made = Swarm(stack)
    subprocess.run(
        ["docker", "build", "-q", "-t", NEXT, "-"],
        input=f"FROM {APP_IMAGE}\nLABEL release=2\n",
        text=True,
        check=True,
        capture_output=True,
    )
    try:
        words = {
            "docker swarm init": "docker swarm init --advertise-addr 127.0.0.1",
            "faq.example.org": "localhost",
            "stack.yml steadfast": f"stack.yml {NAME}",
        }
        made.type(DEPLOY, words)
        until(lambda: running(made) == EXPECTED, "every replica is healthy", PATIENCE, pause=1)
        made.inside("app", "python", "manage.py", "import_entries", "faq/guide/guide.csv", "--publish")
        until(lambda: "No drift" in drift(made), "a worker indexes what was imported", PATIENCE, pause=1)
        yield made
    except BaseException:
        print(made.story())
        raise
    finally:
        left()


def left() -> None:
    """Out of the swarm, and nothing of it stays."""
    docker("swarm", "leave", "--force")
    mine = f"label=com.docker.stack.namespace={NAME}"
    until(lambda: not docker("ps", "-aq", "--filter", mine).strip(), "its containers are gone", 120, pause=1)
    volumes = docker("volume", "ls", "-q", "--filter", mine).split()
    if volumes:
        docker("volume", "rm", *volumes)
    docker("image", "rm", NEXT)


EXPECTED = {"nginx": 1, "app": 2, "worker": 2, "db": 1, "redis": 1, "qdrant": 1}


def running(swarm: Swarm) -> dict[str, int]:
    return {service: len(swarm.tasks(service)) for service in EXPECTED}


def drift(swarm: Swarm) -> str:
    done = subprocess.run(
        ["docker", "exec", swarm.tasks("app")[0], "python", "manage.py", "check_index"], capture_output=True, text=True
    )
    return done.stdout


def test_two_of_each_answer_over_https(swarm: Swarm) -> None:
    reply = Visitor(f"https://localhost:{HTTPS}", swarm.trust).ask(QUESTION)
    assert reply.status == 200, reply.text
    assert reply.answer and reply.sources and not reply.degraded


def test_update_rollback_and_more_replicas_under_load_lose_nothing(swarm: Swarm) -> None:
    app, worker, rollback, scale = UPDATE.splitlines()
    image = {"registry.example.org/steadfast-app:2": NEXT, "steadfast_": f"{NAME}_"}
    with Load(HTTPS, swarm.trust, QUESTION, LEAST) as load:
        swarm.type(app, image)
        assert swarm.images("app") == {NEXT} and len(swarm.tasks("app")) == 2
        swarm.type(worker, image)
        assert swarm.images("worker") == {NEXT} and len(swarm.tasks("worker")) == 2
        swarm.type(rollback, {"steadfast_": f"{NAME}_"})
        assert swarm.images("app") == {APP_IMAGE}
        swarm.type(scale, {"steadfast_": f"{NAME}_"})
        until(lambda: len(swarm.tasks("app")) == 4, "there are four", PATIENCE, pause=1)
    print(f"\nswarm, update, rollback and scaling: {len(load.failures)} failed of {load.done}")
    assert load.done >= LEAST
    assert load.failures == []
