"""compose.development.yml: the code as it lies here, taken up when it is saved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.stack.document import commands, follow
from tests.deploy.stack.stack import PATIENCE, Stack, docker
from tests.servers import free_port, until
from tests.stack.asker import Asker

NAME = "steadfast-development-test"


@pytest.fixture
def address(stack: Stack) -> Iterator[str]:
    """Beside the other stack, which rests meanwhile."""
    stack.compose("stop")
    ports = {
        name: str(free_port())
        for name in ("PORT", "DB_PUBLISHED_PORT", "REDIS_PUBLISHED_PORT", "QDRANT_PUBLISHED_PORT")
    }
    environment = {**stack.environment, **ports, "COMPOSE_PROJECT_NAME": NAME}
    (block,) = commands("deploy.md")["While you work on the code"]
    try:
        follow(block, stack.folder, environment, {})
        yield f"http://localhost:{ports['PORT']}"
    finally:
        follow("docker compose down -v --remove-orphans", stack.folder, environment, {})
        stack.up()


def test_a_question_is_answered_and_what_is_saved_is_taken_up(stack: Stack, address: str) -> None:
    asker = Asker(address)
    until(lambda: asker.get("/readyz").status == 200, "the product answers", PATIENCE, pause=1)
    app = docker("ps", "-q", "--filter", f"label=com.docker.compose.project={NAME}", "--filter", "name=_app_").strip()
    docker("exec", app, "python", "manage.py", "import_entries", "faq/guide/guide.csv", "--publish")
    until(
        lambda: asker.ask("How do I import my FAQ?").json.get("sources"), "the question is answered", PATIENCE, pause=1
    )
    page = stack.folder / "rag" / "templates" / "chat" / "base.html"
    text = page.read_text()
    page.write_text(text.replace("</body>", "<!-- saved just now --></body>"))
    try:
        until(lambda: "saved just now" in asker.get("/").text, "what was saved is served", 60, pause=1)
    finally:
        page.write_text(text)
