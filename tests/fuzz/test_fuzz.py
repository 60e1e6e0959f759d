"""Bad input at every door of the real product: no answer of 5xx, no traceback, no secret, memory flat.

`make fuzz REQUESTS=100000` sends that many and writes docs/drills/fuzz.md; here some hundreds are sent.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.crowd import PASSWORD
from tests.fuzz.by_document import Drawn
from tests.fuzz.making import Maker, Signed
from tests.fuzz.sending import Got, Line, Sent
from tests.servers import Postgresql, Redis
from tests.stack.asker import Asker
from tests.stack.conftest import LIBRARY
from tests.stack.product import Product
from tests.standins.gemini import API_KEY, GeminiStandIn

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "500"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
REPORT = os.environ.get("FUZZ_REPORT", "")
SCHEMATHESIS = os.environ.get("FUZZ_SCHEMATHESIS", "")  # where that program is; `make fuzz` has it
BY_IT = 20  # one request of so many
THREADS = 6
MAY_GROW = 80_000_000  # bytes, for all processes together: caches that fill, and no leak


@dataclass
class Found:
    """What was sent and what came back, and every request whose answer breaks a rule."""

    secrets: list[str]
    by_door: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, sent: Sent, got: Got) -> None:
        faults = [f"status {got.status}"] if got.status >= 500 else []
        faults += ["a traceback"] if "Traceback (most recent" in got.text else []
        faults += ["a secret" for secret in self.secrets if secret in got.text]
        with self.lock:
            self.by_door[sent.door, f"{got.status // 100}xx" if got.status else "hung up"] += 1
            self.faults += [f"{fault}: {sent}" for fault in faults]


@pytest.fixture(scope="module")
def product(
    model: Path, postgresql: Postgresql, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("fuzz")
    with GeminiStandIn() as gemini:
        servers = {"DATABASE_URL": postgresql.new_database("fuzz"), "REDIS_URL": f"redis://127.0.0.1:{redis.port}/7"}
        keys = {"GEMINI_API_KEY": API_KEY, "GEMINI_BASE_URL": gemini.url}
        with Product(folder, faq=LIBRARY, WEB_CONCURRENCY="2", MAX_REQUESTS="0", **servers, **keys) as product:
            yield product


def session(product: Product, password: str) -> Signed:
    somebody = Asker(product.address)
    welcome = somebody.post("/admin/login/", username="admin", password=password, next="/admin/")
    assert "Log out" in welcome.text
    cookies = "; ".join(f"{one.name}={one.value}" for one in sorted(somebody._cookies, key=lambda one: one.name))
    return Signed(cookies, somebody.token())


def memory(product: Product) -> int:
    return sum(one.memory_info().rss for one in product.processes())


def tracebacks(log: str) -> list[str]:
    """Save those by which Django itself tells of a bad request, a foreign Host for example."""
    blocks = re.findall(r"Traceback \(most recent.*\n(?:[ \t].*\n|\n)*.*", log)
    told = ("SuspiciousOperation", "DisallowedHost", "MultiPartParserError", "RequestDataTooBig", "TooManyFields")
    return [block for block in blocks if not any(name in block for name in told)]


class Senders:
    """Several who send at once, each over a connection of its own."""

    def __init__(self, address: str, maker: Callable[[], Maker], judge: Callable[[Sent, Got], None]) -> None:
        self._address, self._maker, self._judge = address, maker, judge

    def send(self, numbers: range) -> None:
        self._own = threading.local()
        with ThreadPoolExecutor(THREADS) as pool, ExitStack() as self._after:
            list(pool.map(self._one, numbers))

    def _one(self, number: int) -> None:
        if not hasattr(self._own, "maker"):
            self._own.maker, self._own.line = self._maker(), Line(self._address)
            self._after.callback(self._own.line.close)
        sent = self._own.maker.make(number)
        self._judge(sent, self._own.line.send(sent))


def test_bad_input_at_every_door(product: Product) -> None:
    password = PASSWORD.search(product.log())
    assert password
    secrets = [password[1], API_KEY]
    document, signed = product.get("/api/openapi.json").json, session(product, password[1])
    found = Found(secrets)
    senders = Senders(product.address, lambda: Maker(SEED, document, signed), found.judge)
    warm = REQUESTS // 4
    began = time.monotonic()
    senders.send(range(warm))
    before, paused = memory(product), time.monotonic()
    if SCHEMATHESIS:
        drawn = Drawn(SCHEMATHESIS, product.address, signed, product.folder, SEED, REQUESTS // BY_IT)
        for sent, got in drawn.exchanges():
            found.judge(sent, got)
        found.faults += [f"schemathesis: {drawn.minds}"] if drawn.minds else []
    ours = REQUESTS + warm - sum(found.by_door.values())
    began += time.monotonic() - paused
    senders.send(range(warm, ours))
    rate = ours / (time.monotonic() - began)
    after = memory(product)
    log = product.log()
    found.faults += [f"in the log: {told[-1_500:]}" for told in tracebacks(log)[:5]]
    found.faults += ["a secret in the log" for secret in secrets[1:] if secret in log]
    if REPORT:
        write(Path(REPORT), found, before, after, rate)
    assert found.faults == [], "\n".join(found.faults[:20])
    assert after - before < MAY_GROW, f"memory grew from {before} to {after}"
    assert product.ask("When do you close on Saturday?").status == 200


def write(report: Path, found: Found, before: int, after: int, rate: float) -> None:
    ends = sorted({end for _, end in found.by_door})
    doors = sorted({door for door, _ in found.by_door})
    rows = [f"| {door} | {' | '.join(str(found.by_door[door, end]) for end in ends)} |" for door in doors]
    text = [
        "# Bad input at every door",
        "",
        f"By `make fuzz REQUESTS={REQUESTS} SEED={SEED}` on {datetime.now(UTC):%Y-%m-%d}, with {THREADS} senders that"
        f" sent {rate:.0f} requests a second: the real Gunicorn with two workers, PostgreSQL, Redis and the model;"
        " Gemini as our stand-in. One request of twenty is Schemathesis's, drawn from the OpenAPI document, and its"
        " answer is held to that document as well; the others are made from the seed, with the nasty texts and files.",
        "",
        f"- Answers judged: {sum(found.by_door.values()):,}",
        f"- Broken rules (an answer of 5xx, a traceback, a secret): {len(found.faults)}",
        f"- Memory of all: {before / 1e6:.0f} MB after a quarter of the requests, {after / 1e6:.0f} at the end",
        "",
        f"| Door | {' | '.join(ends)} |",
        f"|---|{'---|' * len(ends)}",
        *rows,
    ]
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join(text) + "\n", encoding="utf-8")
