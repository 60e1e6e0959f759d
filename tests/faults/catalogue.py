"""The faults that one machine can show without containers, and which tests show them: those marked `fault(row)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROWS = {
    1: "the vector store is killed",
    2: "the vector store hangs",
    3: "packets to it are dropped, on old connections too",
    4: "connections are reset or refused, or only half of the calls succeed",
    5: "it answers slowly",
    6: "its replies are cut, garbled or false",
    7: "its collection is gone",
    8: "its collection has another dimension or distance",
    9: "it takes no writes, as its disk is full",
    10: "Gemini refuses for too many requests and says for how long",
    11: "Gemini answers 500 or 503",
    12: "Gemini never answers, or a byte at a time",
    13: "Gemini blocks, gives no candidate, or stops too early",
    14: "Gemini's reply is garbage, or its stream breaks off",
    15: "Gemini refuses the key",
    16: "the model's file is missing",
    17: "the model's file is cut, altered, or belongs to another tokenizer",
    18: "a web worker is killed with a question in hand",
    20: "a web worker stands still",
    21: "the product is told to end while it is asked",
    22: "the job worker is killed in the middle of indexing",
    23: "an entry kills or fails its job every time",
    24: "Redis is emptied in the middle of a job",
    25: "Redis is killed, stands still, or takes no writes",
    26: "a job is delivered twice",
    27: "two reindexings at once",
    28: "an old job ends after a newer edit",
    29: "PostgreSQL is restarted in the middle of a request",
    30: "PostgreSQL stands still, or every connection to it is in use",
    31: "somebody holds a table under a long lock",
    32: "the reply to a COMMIT is lost",
    33: "the process dies between COMMIT and enqueuing",
    35: "the clock is wrong, or jumps",
    40: "a release with another model while the index is built",
    41: "a random part of everything, mended in another order",
    42: "the asker leaves while the answer comes",
    43: "many ask the same at once, and nothing is kept yet",
}


def shown() -> dict[int, list[str]]:
    """Each row's tests, as pytest names them."""
    found: dict[int, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for test, rows in _marked(ast.parse(file.read_text(encoding="utf-8")), ""):
            for row in rows:
                found.setdefault(row, []).append(f"{file.relative_to(TESTS)}::{test}")
    return found


def _marked(inside: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, list[int]]]:
    for node in inside.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            rows = [row for decorator in node.decorator_list for row in _rows(decorator)]
            if rows:
                yield f"{name}{node.name}", rows
            if isinstance(node, ast.ClassDef):
                yield from _marked(node, f"{name}{node.name}::")


def _rows(decorator: ast.expr) -> list[int]:
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.fault":
        return []
    return [ast.literal_eval(argument) for argument in decorator.args]
