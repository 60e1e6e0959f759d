"""The product as its containers run it: a built tree, the real Gunicorn, and the real nginx before it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.containers import HOST, KEY, environment
from tests.deploy.edge import Edge
from tests.servers import PROJECT, Postgresql, Redis, dies_with_us, until

PARTS = ("console", "faq", "monitoring", "rag")
PLENTY = {"EDGE_RATE": "10000r/s", "EDGE_RATE_QUESTIONS": "10000r/s", "EDGE_RATE_LOGINS": "10000r/s"}
WITHOUT_A_WAY_OUT = {"PYTHONPATH": str(PROJECT / "tests" / "stack" / "loopback")}


@dataclass(frozen=True)
class Site:
    """A web container's process, and the folder that it shares with nginx."""

    tree: Path
    static: Path
    port: str
    environment: dict[str, str]

    @property
    def style(self) -> str:
        """The address of the chat page's style sheet, with its hash."""
        (path,) = (self.static / "chat").glob("chat.????????????.css")
        return f"/static/chat/{path.name}"

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=self.tree, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product without its tests, its static files collected as in the image."""
    root = tmp_path_factory.mktemp("built")
    for part in PARTS:
        shutil.copytree(PROJECT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "manage.py", root)
    made_up = environment("postgresql://nobody@localhost/none", SECRET_KEY=KEY)
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"], cwd=root, env=made_up, check=True
    )
    return root


@pytest.fixture(scope="session")
def site(
    tree: Path, postgresql: Postgresql, redis: Redis, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    static = folder / "static"
    static.mkdir()
    environ = environment(
        postgresql.new_database(f"site_{uuid.uuid4().hex[:12]}"),
        f"redis://127.0.0.1:{redis.port}/8",
        STATIC_SHARE=str(static),
        DATA_DIR=str(folder / "data"),
        STEADFAST_TEST_ATTEMPTS=str(folder / "attempts"),
        TRUSTED_PROXIES="127.0.0.1",
        SECURE_HSTS_SECONDS="63072000",
        WEB_CONCURRENCY="2",
        RATE_LIMIT_CHAT="100000/second",
        CSRF_TRUSTED_ORIGINS=f"https://{HOST}",
        **WITHOUT_A_WAY_OUT,
    )
    with (folder / "log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, "-m", "console.start", "web"],
            cwd=tree,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=dies_with_us(),
        )
    from tests.deploy.test_start import answers

    try:
        until(lambda: answers(environ["PORT"], "/readyz") == 200, "the site answers", 90)
        yield Site(tree, static, environ["PORT"], environ)
    finally:
        web.terminate()
        web.wait(60)
    assert not Path(environ["STEADFAST_TEST_ATTEMPTS"]).exists()


@pytest.fixture(scope="session")
def edge(site: Site) -> Iterator[Edge]:
    """nginx before the site, without limits that tests would run into."""
    with Edge(site.port, site.static, **PLENTY) as server:
        yield server
