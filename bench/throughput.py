"""Answers over HTTP, side by side with the peers and with the limits: every side is up, and each is asked in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import load, questions
from bench.load import Load
from bench.peers.running import NAMES, built, peer
from bench.row import Row
from bench.serving import OPENER, Ground, Serving, token

ROUNDS = 3
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))  # of each round of each side
WORKERS = 2
ASKED = 60_000  # distinct questions, more than all rounds need
JSON = {"Content-Type": "application/json"}
INT8 = "all-MiniLM-L6-v2-int8"


@dataclass
class Side:
    """Somebody who answers, and what came of each round."""

    url: str
    bodies: Path
    headers: Mapping[str, str]
    watched: Mapping[str, list[int]]
    first: int = 0  # the next question that it has not been asked yet
    rounds: list[Load] = field(default_factory=list)

    def ask(self, connections: int, seconds: float = SECONDS) -> Load:
        loaded = load.run(
            self.url,
            self.bodies,
            first=self.first,
            connections=connections,
            seconds=seconds,
            headers=self.headers,
            watched=self.watched,
        )
        self.first += loaded.requests + connections
        return loaded

    def median(self, of: Callable[[Load], float]) -> float:
        return statistics.median(of(one) for one in self.rounds)


class Field:
    """The product, the peers, and a bare view, all with WORKERS processes; `with Field(ground) as field`."""

    def __init__(self, ground: Ground, faq: Path, kept: Path) -> None:
        self._ground, self._faq, self._kept = ground, faq, kept
        self._stack = ExitStack()

    def __enter__(self) -> Field:
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _begin(self) -> None:
        self.bodies = load.write_bodies(questions.distinct(ASKED), self._kept / "questions")
        repeated = load.write_bodies(questions.real()[:1], self._kept / "repeated")
        nothing = load.write_bodies([], self._kept / "nothing")
        built(self._faq, self._kept)
        web = self._stack.enter_context(self._ground.product(workers=WORKERS))
        headers = JSON | token(web.url)
        watched = {"web": [web.pid], **self._ground.servers}
        self.product = Side(f"{web.url}/api/chat/", self.bodies, headers, watched)
        self.quantised = self._quantised()
        self.repeated = Side(f"{web.url}/api/chat/", repeated, headers, watched)
        self.peers = {title: self._peer(name) for name, title in NAMES.items()}
        bare = self._stack.enter_context(bare_view(self._ground))
        begun = OPENER.open(f"{bare.url}/begin")
        cookie = str(begun.headers["Set-Cookie"]).partition(";")[0]
        self.bare = Side(f"{bare.url}/", nothing, {"Cookie": cookie}, {"web": [bare.pid], **self._ground.servers})
        for side in (self.product, self.quantised, self.repeated, self.bare, *self.peers.values()):
            side.ask(8, 2.0)  # unmeasured: what is loaded once

    def _quantised(self) -> Side:
        """The product with int8 weights, over an index of its own."""
        ground = self._stack.enter_context(Ground(self._faq, RAG_LOCAL_EMBEDDING_MODEL=INT8))
        web = self._stack.enter_context(ground.product(workers=WORKERS))
        watched = {"web": [web.pid], **ground.servers}
        return Side(f"{web.url}/api/chat/", self.bodies, JSON | token(web.url), watched)

    def _peer(self, name: str) -> Side:
        serving = self._stack.enter_context(peer(name, self._faq, self._kept, workers=WORKERS))
        return Side(f"{serving.url}/ask", self.bodies, JSON, {"web": [serving.pid]})

    def encoder(self, first: int) -> float:
        """Questions a second that as many bare encoders embed as there are workers."""
        command = [sys.executable, "-m", "bench.limits.encoder", str(SECONDS), str(self.bodies), str(first)]
        both = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)
        ]
        for one in both:
            assert one.stdout and one.stdout.readline() == "ready\n"
        for one in both:
            assert one.stdin
            one.stdin.write("\n")
            one.stdin.flush()
        return sum(float(one.communicate()[0]) for one in both)


def bare_view(ground: Ground) -> Serving:
    words = [sys.executable, "-m", "gunicorn", "--worker-class=gthread", "--threads=8", f"--workers={WORKERS}"]
    serving = Serving(words, ground.environment)
    serving._words = [*words, f"--bind=127.0.0.1:{serving.port}", "bench.limits.bare_view:application"]
    return serving


def rows(field: Field) -> list[Row]:
    return [*uncached(field), *latency(field), repeated(field)]


def uncached(field: Field) -> list[Row]:
    """Eight connections."""
    sides = [field.product, field.quantised, *field.peers.values()]
    encoders = []
    for side in sides:
        side.rounds.clear()
    for _ in range(ROUNDS):
        for side in sides:
            side.rounds.append(side.ask(8))
        encoders.append(field.encoder(field.product.first))
    speed = {name: side.median(_speed) for name, side in field.peers.items()}
    best = max(speed, key=lambda name: speed[name])
    others = ", ".join(f"{name} {value:.0f}" for name, value in speed.items())
    peer, encoder = Rates(best, [_speed(one) for one in field.peers[best].rounds]), Rates("", encoders)
    return [
        _beside(
            "uncached answers a second, 8 connections, 2 workers: of the best peer",
            field.product,
            peer,
            5.0,
            note=f"Peers: {others}. {_spent(field.product)}",
        ),
        _beside("the same: of two bare ONNX encoders (fp32) on the same cores", field.product, encoder, 0.7),
        _beside("the same with int8 weights: of the best peer", field.quantised, peer, note=_spent(field.quantised)),
        _beside("the same with int8 weights: of two bare ONNX encoders (fp32)", field.quantised, encoder),
    ]


@dataclass
class Rates:
    """Of somebody, a second, in each round."""

    name: str
    rounds: list[float]


def _beside(what: str, side: Side, other: Rates, goal: float | None = None, note: str = "") -> Row:
    mine = [_speed(one) for one in side.rounds]
    ratio = statistics.median(a / b for a, b in zip(mine, other.rounds, strict=True))
    name = f" ({other.name})" if other.name else ""
    return Row(
        what, ratio, f"{statistics.median(mine):.0f}/s : {statistics.median(other.rounds):.0f}/s{name}", goal, note=note
    )


def _speed(one: Load) -> float:
    return one.per_second


def _spent(side: Side) -> str:
    """Processor milliseconds an answer, by who spent them; and wrk's own share."""
    spent = {
        name: statistics.median(1_000 * one.processors[name] / one.per_second for one in side.rounds)
        for name in side.watched
    }
    parts = ", ".join(f"{name} {value:.1f} ms" for name, value in spent.items())
    return f"Processor time of one of our answers: {parts}; wrk used {side.median(lambda one: one.wrk):.1%} of a core."


def latency(field: Field) -> list[Row]:
    """One connection."""
    sides = {"product": field.product, "int8": field.quantised, **field.peers}
    for side in sides.values():
        side.rounds.clear()
    for _ in range(ROUNDS):
        for side in sides.values():
            side.rounds.append(side.ask(1))
    found = []
    figures: dict[str, Callable[[Load], float]] = {"median": lambda one: one.p50, "p99": lambda one: one.p99}
    for what, of in figures.items():
        took = {name: side.median(of) for name, side in sides.items()}
        best = min(field.peers, key=lambda name: took[name])
        pairs = zip(field.product.rounds, field.peers[best].rounds, strict=True)
        others = ", ".join(f"{name} {took[name]:.1f} ms" for name in field.peers)
        found.append(
            Row(
                f"{what} of an uncached answer, 1 connection: of the best peer",
                statistics.median(of(mine) / of(other) for mine, other in pairs),
                f"{took['product']:.1f} ms : {took[best]:.1f} ms ({best})",
                0.33,
                "at most",
                note=f"Peers: {others}. With int8 weights: {took['int8']:.1f} ms.",
            )
        )
    return found


def repeated(field: Field) -> Row:
    for side in (field.repeated, field.bare):
        side.rounds.clear()
    for _ in range(ROUNDS):
        for side in (field.repeated, field.bare):
            side.rounds.append(side.ask(8))
    pairs = zip(field.repeated.rounds, field.bare.rounds, strict=True)
    mine, bare = (side.median(lambda one: one.per_second) for side in (field.repeated, field.bare))
    return Row(
        "repeated questions a second: of a bare Django view that reads session and cache once",
        statistics.median(a.per_second / b.per_second for a, b in pairs),
        f"{mine:.0f}/s : {bare:.0f}/s",
        0.5,
        note=f"{_spent(field.repeated)} The bare view: {_spent(field.bare).partition(': ')[2]}",
    )
