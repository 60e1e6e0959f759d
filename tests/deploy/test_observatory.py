"""What the pages score at the edge, and that the checker takes points off where something is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.deploy.edge import Edge
from tests.deploy.observatory import score


@pytest.mark.parametrize(("path", "least"), [("/", 120), ("/admin/login/", 100)])
def test_a_page_scores(edge: Edge, path: str, least: int) -> None:
    total, verdicts = score(edge.ask(path), edge.ask(path, tls=False))
    print(f"\n{path}: {total}", *verdicts, sep="\n  ")
    assert total >= least


@pytest.mark.parametrize(
    ("without", "costs"),
    [
        ("Content-Security-Policy", 25),
        ("Strict-Transport-Security", 20),
        ("X-Content-Type-Options", 5),
        ("Referrer-Policy", 5),
        ("Cross-Origin-Resource-Policy", 10),
    ],
)
def test_a_missing_header_costs(edge: Edge, without: str, costs: int) -> None:
    page, plain = edge.ask("/"), edge.ask("/", tls=False)
    poorer = replace(page, headers=[pair for pair in page.headers if pair[0] != without])
    assert score(page, plain)[0] - score(poorer, plain)[0] >= costs
    twice = replace(page, headers=[*page.headers, *(pair for pair in page.headers if pair[0] == without)])
    assert score(twice, plain)[0] < score(page, plain)[0]
