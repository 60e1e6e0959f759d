"""docs/deploy.md, command by command. Its ten minutes are how the stack of all these tests comes up."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess

import pytest

from tests.deploy.stack.document import commands, follow
from tests.deploy.stack.stack import HTTPS, Stack
from tests.servers import until

PAGE = commands("deploy.md")
TRIED = {
    "What the server needs",
    "Ten minutes",
    "A certificate",
    "Settings",
    "How a container starts",
    "Another release",
    "Backups",
    "While you work on the code",  # test_development.py
    "When something is wrong",
}


def test_every_command_of_the_page_is_tried() -> None:
    assert set(PAGE) == TRIED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask apt-get")
def test_the_packages_are_to_be_had(stack: Stack) -> None:
    (block,) = PAGE["What the server needs"]
    told = follow(block, stack.folder, stack.environment, {"sudo ": "", "install -y": "install -y --simulate"})
    assert "Unable to locate" not in told


def test_ten_minutes_lead_to_answers_over_https(stack: Stack) -> None:
    assert stack.visitor().ask("How do I import my FAQ?").status == 200


def test_a_certificate_of_ones_own_is_taken_up(stack: Stack) -> None:
    (block,) = PAGE["A certificate"]
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        f"{made} -keyout privkey.pem -out fullchain.pem",
        shell=True,
        cwd=stack.folder,
        check=True,
        capture_output=True,
    )
    stack.type(block)
    ours = ssl.PEM_cert_to_DER_cert((stack.folder / "fullchain.pem").read_text())
    until(lambda: served() == hashlib.sha256(ours).hexdigest(), "the new certificate is served", 120, pause=1)


def served() -> str:
    try:
        text = ssl.get_server_certificate(("localhost", HTTPS))
    except OSError:
        return ""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()


def test_a_key_is_given_and_what_uses_it_starts_anew(stack: Stack) -> None:
    before = stack.container("app")["Id"]
    stack.type(PAGE["Settings"][0], {"YOUR-KEY": "''"})  # none, as there is nobody here who would take it
    stack.until_healthy()
    assert stack.container("app")["Id"] != before


def test_migrations_can_be_run_by_themselves(stack: Stack) -> None:
    assert "nothing to apply" in stack.type(PAGE["How a container starts"][0])


def test_another_release(stack: Stack) -> None:
    told = stack.type(PAGE["Another release"][0])
    assert "app is replaced, 1 of 1" in told and "worker is replaced, 1 of 1" in told
    stack.until_healthy()


def rolled(stack: Stack) -> dict[str, str]:
    """The container that is there after `docker/roll`: docker-compose 1.29 looks for the first only."""
    number = stack.container("app")["Config"]["Labels"]["com.docker.compose.container-number"]
    return {"exec app": f"exec --index {number} app"}


def test_backup_rehearsal_and_everything_back(stack: Stack) -> None:
    take, back = PAGE["Backups"]
    told = stack.type(take, rolled(stack))
    assert "questions answered alike" in told
    folder = next(line.partition(": ")[0] for line in told.splitlines() if line.startswith("/srv/backups/"))
    stack.type(back, {"/srv/backups/2026-11-25T21-00-00Z": f"{folder} --replace"})
    stack.until_healthy()
    assert stack.visitor().ask("How do I import my FAQ?").status == 200


def test_what_one_looks_at_when_something_is_wrong(stack: Stack) -> None:
    (block,) = PAGE["When something is wrong"]
    told = stack.type(block, {"https://localhost/": f"https://localhost:{HTTPS}/", **rolled(stack)})
    assert '"status": "ok"' in told and "SECRET_KEY" in told
