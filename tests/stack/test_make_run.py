"""`make run` as a new user types it, in a fresh copy of the checkout: what it says, what it answers, how it stops."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import PROJECT, until
from tests.stack.conftest import LIBRARY
from tests.stack.product import Product

PASSWORD = re.compile(r"user admin, password (\S+)")


class MadeProduct(Product):
    """Started by make, which is told everything in words of its own."""

    def __init__(self, checkout: Path, folder: Path, faq: Path | None = None) -> None:
        super().__init__(folder, faq=faq)
        self._checkout = checkout
        for name in ("PORT", "DATA_DIR"):
            del self.environment[name]

    @property
    def place(self) -> Path:
        return self._checkout

    def command(self) -> list[str]:
        # -o: what is installed is ours, whatever the times of its files; a bare machine is another test.
        words = [f"PORT={self.port}", f"DATA_DIR={self.folder / 'data'}", *([f"FAQ={self.faq}"] if self.faq else [])]
        return ["make", "-o", ".venv/.installed", "run", *words]

    @property
    def password(self) -> str | None:
        found = PASSWORD.search(self.log())
        return found[1] if found else None


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """What git would hand to somebody else, with what is changed here and not committed yet."""
    there = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).exists():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, there / name)
    (there / ".venv").symlink_to(PROJECT / ".venv")
    return there


@pytest.fixture(scope="module")
def first(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeProduct]:
    with MadeProduct(checkout, tmp_path_factory.mktemp("first")) as product:
        yield product


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("how can i put our own questions into it", "guide-own-file"),
        ("whats this software for", "guide-what-is"),
        ("which buttons do I press to quit the program", "guide-stop"),
    ],
)
def test_a_question_in_ones_own_words_is_answered_from_the_guide(
    first: MadeProduct, question: str, source: str
) -> None:
    reply = first.ask(question)
    assert (reply.status, reply.degraded) == (200, [])
    assert reply.answered_by == "verbatim"
    assert reply.sources[0] == source
    page = first.get(reply.json["sources"][0]["url"])
    assert page.status == 200


def test_it_says_where_to_click(first: MadeProduct) -> None:
    assert f"Ask a question   {first.address}/\n" in first.log()
    assert f"Console          {first.address}/admin/\n" in first.log()
    assert "teadfast" in first.get("/").text


def test_the_password_that_is_printed_opens_the_console(first: MadeProduct) -> None:
    assert first.password
    refused = first.post("/admin/login/", username="admin", password="not-it", next="/admin/")
    assert 'name="password"' in refused.text
    welcome = first.post("/admin/login/", username="admin", password=first.password, next="/admin/")
    assert welcome.status == 200
    assert 'name="password"' not in welcome.text
    assert "Log out" in welcome.text
    entries = first.get("/admin/faq/entry/")
    assert "What is Steadfast?" in first.get("/admin/faq/entry/?q=what+is+steadfast").text
    assert entries.status == 200


def test_another_one_runs_beside_it_and_answers_from_its_own_file(
    first: MadeProduct, checkout: Path, tmp_path: Path
) -> None:
    question = "When do you close on Saturday?"
    with MadeProduct(checkout, tmp_path, faq=LIBRARY) as other:
        there, here = other.ask(question), first.ask(question)
    assert (there.answered_by, there.sources[0]) == ("verbatim", "opening")
    assert "opening" not in here.sources
    assert first.ask("whats this software for").sources[0] == "guide-what-is"


def test_ctrl_c_stops_everything_and_the_next_start_does_nothing_twice(checkout: Path, tmp_path: Path) -> None:
    with MadeProduct(checkout, tmp_path) as product:
        assert product.password
        assert "100.0%" in product.log()
        processes = product.processes()
        assert len(processes) >= 3  # make, the verb, gunicorn and its worker
        product.interrupt()
        assert not [one for one in processes if one.is_running()]
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", product.port)) != 0
    again = MadeProduct(checkout, tmp_path)
    already = len(again.log())
    with again:
        said = again.log()[already:]
        assert "Ask a question" in said
        assert "password" not in said
        assert "embedded" not in said
        assert "new" not in said
        assert again.ask("whats this software for").sources[0] == "guide-what-is"


def test_a_file_of_ones_own_replaces_the_guide_but_for_what_it_keeps_of_it(checkout: Path, tmp_path: Path) -> None:
    with MadeProduct(checkout, tmp_path) as product:
        assert product.ask("whats this software for").sources[0] == "guide-what-is"
    file = tmp_path / "own.csv"
    file.write_text(LIBRARY.read_text() + "guide-stop,Visiting,How do I stop the escalator?,Press the red button.,\n")
    with MadeProduct(checkout, tmp_path, faq=file) as own:
        assert own.ask("When do you close on Saturday?").sources[0] == "opening"
        assert own.ask("How do I stop the escalator?").answer == "Press the red button."
        guide = {name for name in own.ask("whats this software for").sources if name.startswith("guide-")}
        assert guide <= {"guide-stop"}
    with MadeProduct(checkout, tmp_path) as after:
        assert after.ask("When do you close on Saturday?").sources[0] == "opening"


def test_a_file_that_is_refused_is_not_served(checkout: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("category,question,answer\nMoney,How do I pay?,By card.\nMoney,What does it cost?,\n")
    with MadeProduct(checkout, tmp_path / "data", faq=bad).begun() as product:
        until(lambda: not product.processes(), "it ends")
        assert re.search(r"│ +3 │", product.log())
        assert "Nothing was written" in product.log()
        assert "Ask a question" not in product.log()
        assert "Traceback" not in product.log()


def test_ctrl_c_in_the_midst_of_the_preparations_leaves_nothing_behind(checkout: Path, tmp_path: Path) -> None:
    with MadeProduct(checkout, tmp_path).begun() as product:
        until(lambda: "new" in product.log(), "it prepares", pause=0.01)
        product.interrupt()
        assert "Ask a question" not in product.log()
        assert "Traceback" not in product.log()
    with MadeProduct(checkout, tmp_path) as again:
        assert again.ask("whats this software for").sources[0] == "guide-what-is"
