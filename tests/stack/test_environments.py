"""The same questions on the embedded default and on the servers, asked at the door: both at or above the bar."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import PROJECT
from tests.stack.conftest import Environment
from tests.stack.product import Product

DEV = PROJECT.parent / "shared" / "data" / "dev"
# What the guide's own questions reach, less three or four of them: ours to raise.
GUIDE_BAR = {"hit@1": 0.92, "hit@3": 0.97, "oos_rejection": 0.85, "oos_rejection_far": 0.95}
ALIKE = 0.01  # a rank decided by the last digit of a score may fall the other way


@dataclass(frozen=True)
class Suite:
    """A file of entries, labelled questions about them, others that must not be answered, and the least figures."""

    faq: Path | None  # None: the user guide, which is loaded where no file is named
    questions: Path
    out_of_scope: Path | None = None
    bar: Path | None = None

    def words(self, bar: Path) -> list[str | Path]:
        others: list[str | Path] = ["--out-of-scope", self.out_of_scope] if self.out_of_scope else []
        return ["run_suite", self.questions, *others, "--bar", self.bar or bar]


SUITES = {
    "guide": Suite(None, PROJECT / "faq" / "guide" / "questions.csv"),
    "dev": Suite(DEV / "faq.csv", DEV / "golden.csv", DEV / "oos.csv", DEV / "bar.json"),
}


@dataclass(frozen=True)
class Run:
    """What `run_suite` said of one stack."""

    status: int
    output: str

    @property
    def figures(self) -> dict[str, float]:
        lines = (line.split() for line in self.output.splitlines())
        return {words[0]: float(words[1]) for words in lines if len(words) > 1 and words[1].startswith(("0.", "1."))}


@pytest.fixture(scope="module", params=SUITES)
def runs(
    request: pytest.FixtureRequest, servers: Callable[[], Environment], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Run]]:
    """One on each stack, both at the same time."""
    suite = SUITES[request.param]
    if not suite.questions.exists():
        pytest.skip(f"the question set {request.param} is not on this machine")
    folder = tmp_path_factory.mktemp(request.param)
    bar = folder / "bar.json"
    bar.write_text(json.dumps(GUIDE_BAR))
    with ExitStack() as stack:
        products = {
            "embedded": Product(folder / "embedded", faq=suite.faq),
            "servers": Product(folder / "servers", faq=suite.faq, **servers()),
        }
        for product in products.values():
            stack.enter_context(product.begun())
        for product in products.values():
            product.wait_until_it_serves()
        asking = {
            name: product.manage(*suite.words(bar), "--url", product.address) for name, product in products.items()
        }
        yield {name: _told(process) for name, process in asking.items()}


def _told(process: subprocess.Popen[str]) -> Run:
    with process:
        output, _ = process.communicate(timeout=400)
    return Run(process.returncode, output)


def test_both_are_at_or_above_the_bar(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        for name, run in runs.items():
            print(f"\n{name}\n{run.output}", end="")
    assert {name: run.status for name, run in runs.items()} == {"embedded": 0, "servers": 0}
    assert {"hit@1", "hit@3", "mrr@10", "oos_rejection"} <= runs["servers"].figures.keys()


def test_both_answer_alike(runs: dict[str, Run]) -> None:
    assert runs["embedded"].figures == pytest.approx(runs["servers"].figures, abs=ALIKE)
