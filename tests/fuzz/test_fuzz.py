"""Bad input at every door of the real product: no answer of 5xx, no traceback, no secret, memory flat.

`make fuzz REQUESTS=100000` sends that many and writes docs/drills/fuzz.md; here some hundreds are sent.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.crowd import PASSWORD
from tests.fuzz.making import Maker, Signed
from tests.fuzz.sending import Got, Sent, send
from tests.servers import Postgresql, Redis
from tests.stack.asker import Asker
from tests.stack.conftest import LIBRARY
from tests.stack.product import Product
from tests.standins.gemini import API_KEY, GeminiStandIn

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "500"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
REPORT = os.environ.get("FUZZ_REPORT", "")
THREADS = 4
MAY_GROW = 80_000_000  # bytes, for all processes together: caches that fill, and no leak


@dataclass
class Found:
    """What was sent and what came back, and every request whose answer breaks a rule."""

    by_door: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, sent: Sent, got: Got, secrets: list[str]) -> None:
        faults = [f"status {got.status}"] if got.status >= 500 else []
        faults += ["a traceback"] if "Traceback (most recent" in got.text else []
        faults += ["a secret" for secret in secrets if secret in got.text]
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


def test_bad_input_at_every_door(product: Product) -> None:
    password = PASSWORD.search(product.log())
    assert password
    secrets = [password[1], API_KEY]
    maker_of = threading.local()
    document, signed = product.get("/api/openapi.json").json, session(product, password[1])
    found = Found()

    def one(number: int) -> None:
        if not hasattr(maker_of, "made"):
            maker_of.made = Maker(SEED, document, signed)
        sent = maker_of.made.make(number)
        found.judge(sent, send(product.address, sent), secrets)

    began, warm = datetime.now(UTC), REQUESTS // 4
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(warm)))
        before = memory(product)
        list(pool.map(one, range(warm, REQUESTS)))
        after = memory(product)
    log = product.log()
    found.faults += [f"in the log: {told[-1_500:]}" for told in tracebacks(log)[:5]]
    found.faults += ["a secret in the log" for secret in secrets[1:] if secret in log]
    if REPORT:
        write(Path(REPORT), found, before, after, (datetime.now(UTC) - began).total_seconds())
    assert found.faults == [], "\n".join(found.faults[:20])
    assert after - before < MAY_GROW, f"memory grew from {before} to {after}"
    assert product.ask("When do you close on Saturday?").status == 200


def write(report: Path, found: Found, before: int, after: int, seconds: float) -> None:
    ends = sorted({end for _, end in found.by_door})
    doors = sorted({door for door, _ in found.by_door})
    rows = [f"| {door} | {' | '.join(str(found.by_door[door, end]) for end in ends)} |" for door in doors]
    text = [
        "# Bad input at every door",
        "",
        f"By `make fuzz REQUESTS={REQUESTS} SEED={SEED}` in {seconds:.0f} s, with {THREADS} senders: the real Gunicorn"
        " with two workers, PostgreSQL, Redis and the model; Gemini as our stand-in.",
        "",
        f"- Broken rules (an answer of 5xx, a traceback, a secret): {len(found.faults)}",
        f"- Memory of all: {before / 1e6:.0f} MB after a quarter of the requests, {after / 1e6:.0f} at the end",
        "",
        f"| Door | {' | '.join(ends)} |",
        f"|---|{'---|' * len(ends)}",
        *rows,
    ]
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join(text) + "\n", encoding="utf-8")
