"""What an operator relies on, seen at the real compose.yml. In this order: the later ones break more."""

from __future__ import annotations

import json
import subprocess
from urllib.request import Request

import pytest

from tests.deploy.stack.load import Load
from tests.deploy.stack.stack import APP_IMAGE, HTTPS, SERVICES, Stack, docker
from tests.servers import until
from tests.standins.gemini import API_KEY, GeminiStandIn

QUESTIONS = ("How do I import my FAQ?", "What happens when Qdrant is down?", "Who may publish an entry?")
LEAST = 5_000
LARGEST = 365_000_000  # bytes on disk


def test_every_service_is_up_and_healthy(stack: Stack) -> None:
    """Feature: production-deployment, Properties 26 and 28: Service Orchestration"""
    assert stack.states() == dict.fromkeys(SERVICES, "healthy")


def test_a_question_over_https_is_answered(stack: Stack) -> None:
    reply = stack.visitor().ask(QUESTIONS[0])
    assert reply.status == 200, reply.text
    assert reply.answer and reply.sources and not reply.degraded


def test_the_console_lets_an_operator_in(stack: Stack) -> None:
    visitor = stack.visitor()
    page = visitor.post("/admin/login/?next=/admin/", username="op", password="op-pass-1", next="/admin/")
    assert page.status == 200, page.text[:500]
    assert "/admin/logout/" in page.text


def test_a_job_is_done_by_the_worker(stack: Stack) -> None:
    request = "from rag.index import jobs; from rag.models import Job; print(jobs.request(Job.Kind.SCAN).pk)"
    pk = stack.python(request).strip()
    state = f"from rag.models import Job; print(Job.objects.get(pk={pk}).state)"
    until(lambda: stack.python(state).strip() == "succeeded", "the worker does the job", 60, pause=1)


def test_prometheus_reads_the_product(stack: Stack) -> None:
    def targets() -> list[tuple[str, str]]:
        asked = stack.inside("prometheus", "wget", "-qO-", "http://127.0.0.1:9090/api/v1/targets")
        return [(one["labels"]["job"], one["health"]) for one in json.loads(asked)["data"]["activeTargets"]]

    until(lambda: ("steadfast", "up") in targets(), "the product's target is up", 90, pause=2)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_may_do_nothing_but_its_work(stack: Stack, service: str) -> None:
    container = stack.container(service)
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"] == {"max-file": "5", "max-size": "10m"}
    users = stack.inside(service, "cat", "/proc/1/status")
    uid = next(line for line in users.splitlines() if line.startswith("Uid:")).split()[1]
    assert uid != "0" or service == "qdrant"  # its image's own user; without a single capability


def test_no_secret_is_in_an_environment(stack: Stack) -> None:
    """Feature: production-deployment, Property 17: Secret Management"""
    secrets = [path.read_text().strip() for path in (stack.folder / "secrets").iterdir()]
    told = "".join(json.dumps(stack.container(service)) for service in SERVICES)
    told += stack.compose("logs", "--no-color")
    assert not [secret for secret in secrets if secret and secret in told]


@pytest.mark.parametrize(
    ("origin", "target", "port", "may"),
    [
        ("nginx", "app", 8000, True),
        ("prometheus", "app", 8000, True),
        ("nginx", "db", 5432, False),
        ("nginx", "redis", 6379, False),
        ("nginx", "qdrant", 6333, False),
        ("prometheus", "db", 5432, False),
        ("grafana", "db", 5432, False),
        ("grafana", "qdrant", 6333, False),
    ],
)
def test_who_reaches_whom(stack: Stack, origin: str, target: str, port: int, may: bool) -> None:
    """Feature: production-deployment, Property 29: Internal Service Communication"""
    networks = stack.container(target)["NetworkSettings"]["Networks"].values()
    reached = [_reaches(stack, origin, host, port) for host in (target, *(one["IPAddress"] for one in networks))]
    assert any(reached) == may


def _reaches(stack: Stack, origin: str, host: str, port: int) -> bool:
    """From a process within that container's network, as the images themselves have no tool for it in common."""
    within = f"container:{stack.container(origin)['Id']}"
    code = f"import socket; socket.create_connection(({host!r}, {port}), 3).close()"
    command = ["docker", "run", "--rm", "--network", within, "--entrypoint", "python", APP_IMAGE, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in {0, 1}, done.stderr  # the engine's own failures are 125 and more
    return done.returncode == 0


def test_nothing_is_published_but_the_edge_and_grafana_here(stack: Stack) -> None:
    found = {service: _published(stack, service) for service in SERVICES}
    seen = {service: where for service, where in found.items() if where}
    assert seen == {"nginx": {"0.0.0.0"}, "grafana": {"127.0.0.1"}}


def _published(stack: Stack, service: str) -> set[str]:
    ports = stack.container(service)["NetworkSettings"]["Ports"] or {}
    return {one["HostIp"] for bound in ports.values() for one in bound or () if one["HostIp"] != "::"}


def test_static_files_are_served_while_the_application_is_stopped(stack: Stack) -> None:
    """Feature: production-deployment, Property 4: Static File Serving Efficiency"""
    visitor = stack.visitor()
    sheet = next(
        word for word in visitor.get("/").text.split('"') if word.startswith("/static/chat/chat.") and ".css" in word
    )
    stack.compose("stop", "app")
    try:
        assert visitor.get(sheet).status == 200
        down = visitor.send(Request(f"{visitor.address}/api/openapi.json"))
        assert (down.status, down.json["error"]["code"]) == (503, "unavailable")
    finally:
        stack.compose("start", "app")
        stack.until_healthy()


def test_data_and_vectors_survive_down_and_up(stack: Stack) -> None:
    """Feature: production-deployment, Properties 15 and 46: Data Persistence"""
    before = answers(stack)
    state = (
        "from rag.models import Embedding; from django.db.models import Count, Max;"
        " print(Embedding.objects.aggregate(Max('embedded_at'), Count('pk')))"
    )
    embedded = stack.python(state)
    stack.compose("down")
    stack.up()
    assert answers(stack) == before
    assert stack.python(state) == embedded
    assert "No drift" in stack.manage("check_index")


def answers(stack: Stack) -> list[tuple[str, list[str]]]:
    visitor = stack.visitor()
    replies = [visitor.ask(question) for question in QUESTIONS]
    assert [reply.status for reply in replies] == [200] * len(QUESTIONS)
    assert not any(reply.degraded for reply in replies)
    return [(reply.answer, reply.sources) for reply in replies]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_killed_comes_back(stack: Stack, service: str) -> None:
    stack.kill(service)
    stack.until_healthy()
    assert stack.visitor().ask(QUESTIONS[0]).status == 200


def test_a_rolling_restart_under_load_loses_nothing(stack: Stack) -> None:
    old = stack.container("app")["Id"]
    with Load(HTTPS, stack.trust, QUESTIONS[0], LEAST) as load:
        for _ in range(2):
            done = subprocess.run(
                [stack.folder / "docker" / "roll", "app"], env=stack.environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
    print(f"\nrolling restart: {len(load.failures)} failed of {load.done}")
    assert stack.container("app")["Id"] != old
    assert load.done >= LEAST
    assert load.failures == []


def test_backup_wipe_restore_and_the_same_answers(stack: Stack) -> None:
    before = answers(stack)
    told = stack.manage("backup")
    assert "vectors: snapshot" in told
    folder = told.strip().splitlines()[-1].partition(": ")[0]
    assert "questions answered alike" in stack.manage("rehearsal")
    stack.compose("stop", "nginx", "app", "worker")
    stack.inside("db", "psql", "-qU", "steadfast", "-c", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    stack.compose("stop", "qdrant")
    stack.compose("rm", "-f", "qdrant")
    subprocess.run(["docker", "volume", "rm", "steadfast-stack-test_qdrant"], check=True, capture_output=True)
    stack.compose("up", "-d", "--no-deps", "qdrant")
    until(lambda: stack.states()["qdrant"] == "healthy", "the empty Qdrant is up", 60, pause=1)
    restored = stack.compose(
        "run", "--rm", "--no-deps", "--entrypoint", "python", "app", "manage.py", "restore", folder
    )
    assert "0 indexed anew, no drift" in restored
    stack.compose("up", "-d")
    stack.until_healthy()
    assert answers(stack) == before


def test_the_image_holds_nothing_that_must_not_be_there(stack: Stack) -> None:
    """Feature: production-deployment, Property 5: Multi-stage Build Optimization"""
    done = subprocess.run([stack.folder / "docker" / "report", APP_IMAGE], capture_output=True, text=True)
    print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(docker("image", "inspect", "-f", "{{.Size}}", APP_IMAGE)) <= LARGEST


ASKS_GEMINI = """
from rag.answering.generation import GeminiGenerator
from rag.answering.prompt import Passage, build
prompt = build("How are files imported?", [Passage(1, "How do I import?", "On the page Import, from a file.")])
generator = GeminiGenerator()
print(generator.generate(prompt, seconds=30).text)
with generator.stream(prompt, seconds=30) as stream:
    print("".join(stream))
"""


def test_the_image_still_speaks_with_gemini(stack: Stack, gemini: GeminiStandIn) -> None:
    """Much of what google-genai brings is taken out of the image."""
    given = {"DJANGO_ENV": "development", "GEMINI_API_KEY": API_KEY, "GEMINI_BASE_URL": gemini.url, "DATA_DIR": "/tmp"}
    chosen = [word for pair in given.items() for word in ("-e", "=".join(pair))]
    run = ["docker", "run", "--rm", "--network", "host", *chosen, "--entrypoint", "python", APP_IMAGE]
    done = subprocess.run([*run, "manage.py", "shell", "-v0", "-c", ASKS_GEMINI], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("from a file") == 2, done.stdout
