"""The whole product before servers that can be broken, and the faults that break them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types

from tests.conftest import drop_collections
from tests.line import Line
from tests.servers import Postgresql, Redis, until
from tests.stack.conftest import LIBRARY
from tests.stack.product import Product
from tests.standins.gemini import API_KEY, GeminiStandIn

DEADLINE = 2.0
IN_A_ROW = 6  # good answers: several processes answer, each with a memory of its own


def _is_gunicorn(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "gunicorn" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended between the list and the look
        return False


@dataclass
class Ground:
    product: Product
    postgresql: Postgresql
    redis: Redis
    qdrant: Line
    gemini: GeminiStandIn

    def gunicorns(self) -> list[psutil.Process]:
        """The web server's processes, its master first."""
        return [one for one in self.product.processes() if _is_gunicorn(one)]

    def postgresql_processes(self) -> list[psutil.Process]:
        """The server with all its children, each of which has somebody's connection."""
        assert self.postgresql._process is not None
        first = psutil.Process(self.postgresql._process.pid)
        return [first, *first.children(recursive=True)]

    def mend_everything(self) -> None:
        for fault in (FAULTS | MORE).values():
            fault.end(self)

    def kill_a_web_worker(self) -> None:
        self.gunicorns()[-1].kill()


Act = Callable[[Ground], None]


@dataclass(frozen=True)
class Fault:
    """How it begins, how it ends, and the stages by which answers are degraded meanwhile."""

    begin: Act
    end: Act
    stages: frozenset[str] = frozenset()


def _gemini(behaviour: str) -> Fault:
    return Fault(
        lambda ground: ground.gemini.behave(behaviour),
        lambda ground: ground.gemini.behave("good"),
        frozenset({"generate"}),
    )


def _nothing(ground: Ground) -> None:
    pass


def _postgresql_hangs(ground: Ground) -> None:
    for process in ground.postgresql_processes():
        process.suspend()


def _postgresql_goes_on(ground: Ground) -> None:
    for process in ground.postgresql_processes():
        process.resume()


VECTOR = frozenset({"vector"})
FAULTS: dict[str, Fault] = {
    "Qdrant killed": Fault(lambda ground: ground.qdrant.cut(), lambda ground: ground.qdrant.mend(), VECTOR),
    "Qdrant hangs": Fault(lambda ground: ground.qdrant.hold(), lambda ground: ground.qdrant.mend(), VECTOR),
    "Redis killed": Fault(lambda ground: ground.redis.fail(signal.SIGKILL), lambda ground: ground.redis.recover()),
    "PostgreSQL killed": Fault(
        lambda ground: ground.postgresql.fail(signal.SIGQUIT),
        lambda ground: ground.postgresql.recover(),
        frozenset({"database"}),
    ),
    "a web worker killed": Fault(lambda ground: ground.kill_a_web_worker(), _nothing),
    "Gemini answers 500": _gemini("500"),
    "Gemini hangs": _gemini("hang"),
}
# Too long, or too much like another, to be drawn together with the others.
MORE: dict[str, Fault] = {
    "PostgreSQL hangs": Fault(_postgresql_hangs, _postgresql_goes_on, frozenset({"database"})),
    "Redis hangs": Fault(lambda ground: ground.redis.fail(signal.SIGSTOP), lambda ground: ground.redis.recover()),
    "Gemini refuses the key": _gemini("bad_key"),
    "Gemini's quota is used up": _gemini("429"),
    "Gemini hangs up": _gemini("disconnect"),
}


@contextmanager
def ground(folder: Path, qdrant_url: str, **environment: str) -> Iterator[Ground]:
    """With servers of its own, as they get broken."""
    name = f"test_{folder.name}"
    with Postgresql() as postgresql, Redis() as redis, Line(qdrant_url) as qdrant, GeminiStandIn() as gemini:
        gemini.retry_after = 1
        product = Product(
            folder,
            faq=LIBRARY,
            DATABASE_URL=postgresql.new_database("faults"),
            REDIS_URL=redis.url,
            VECTOR_DB_URL=qdrant.url,
            QDRANT_COLLECTION_NAME=name,
            GEMINI_API_KEY=API_KEY,
            GEMINI_BASE_URL=gemini.url,
            RAG_DEADLINE_SECONDS=str(DEADLINE),
            **environment,
        )
        try:
            with product:
                yield Ground(product, postgresql, redis, qdrant, gemini)
        finally:
            qdrant.mend()
            drop_collections(qdrant_url, name)


def all_well(ground: Ground) -> bool:
    """Several in a row are answered with everything: each needs PostgreSQL, Qdrant and Gemini, and no kept answer."""
    replies = (ground.product.ask(f"When do you close on Saturday, {time.monotonic()}?") for _ in range(IN_A_ROW))
    return all((reply.answered_by, reply.degraded) == ("generated", []) for reply in replies)


def settled(ground: Ground) -> bool:
    """No web process spares anything any more."""
    return all_well(ground) and not ground.product.breakers_open()


def settle(ground: Ground) -> None:
    """For the next test."""
    until(lambda: settled(ground), "no breaker is open", 120, pause=0.2)


def warm(ground: Ground) -> Ground:
    """The first questions wait until each process has loaded its model, whatever their deadline."""
    until(lambda: all_well(ground), "it is warm", 120)
    return ground
