"""What tests of the operators' pages share: who is signed in, a worker that goes on when told, and axe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from playwright.sync_api import Page

from rag.index import indexing, work
from rag.index.embedding import OnnxEmbedder
from tests.chat.visits import Visit
from tests.servers import until


def may(name: str, *permissions: str) -> User:
    """Somebody of the staff who may do just this."""
    user = User.objects.create_user(name, password=name, is_staff=True)
    codenames = [permission.partition(".")[2] for permission in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def signed_in(visit: Visit, user: User, path: str = "/admin/", **options: Any) -> Page:
    client = Client()
    client.force_login(user)
    host = urlsplit(visit.address).hostname
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "domain": host, "path": "/"}
    return visit(path, storage_state={"cookies": [cookie], "origins": []}, **options)


def serious(page: Page) -> list[str]:
    """What axe finds seriously wrong with the page as it is now, each with where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


class Worker:
    """Does the jobs in a thread, four entries at a time, and each four only when it is let."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._gate = threading.Semaphore(0)
        self._ends = threading.Event()
        embed = OnnxEmbedder.embed

        def gated(embedder: OnnxEmbedder, texts: Any) -> Any:
            here = threading.current_thread()  # the health check embeds too
            if here is self._thread or here.name.startswith("embeds ahead"):
                self._gate.acquire()
            return embed(embedder, texts)

        patch.setattr(indexing, "BATCH", 4)
        patch.setattr(OnnxEmbedder, "embed", gated)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def let(self, batches: int = 1) -> None:
        self._gate.release(batches)

    def end(self) -> None:
        self._ends.set()
        self.let(1_000)
        until(lambda: not self._thread.is_alive(), "the worker ends")

    def _work(self) -> None:
        while not self._ends.wait(0.05):
            work.run_waiting()
            connection.close()


@pytest.fixture
def worker(transactional_db: None, model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    worker = Worker(monkeypatch)
    yield worker
    worker.end()
