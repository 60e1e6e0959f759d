"""What nginx counts for Prometheus: all that left the house, those too that no web server has seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

from tests.deploy.conftest import PLENTY, Site
from tests.deploy.edge import Edge
from tests.servers import free_port, until
from tests.stack.scraping import Scrape, parsed

RESPONSES, LIMITED = "faq_edge_responses_total", "faq_edge_rate_limited_total"


def scraped(edge: Edge) -> Scrape:
    with urlopen(f"http://127.0.0.1:{edge.metrics_port}/metrics", timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parsed(response.read().decode())


def test_each_response_is_counted_by_its_door_and_class(site: Site) -> None:
    with Edge(site.port, site.static, **PLENTY) as edge, edge.beside("50-edge-counts.sh"):
        until(lambda: (edge.folder / "counts" / "metrics").exists(), "the counters are there")
        assert scraped(edge).total(RESPONSES) == 0
        assert len(scraped(edge).values) == 20  # four doors, four classes and what was limited; never more
        for path in ("/api/nothing", "/admin/", "/nowhere", "/api/nothing"):
            edge.ask(path)
        edge.ask("/", host="stranger.example")
        until(lambda: scraped(edge).total(RESPONSES) == 5, "all are counted")
        assert scraped(edge).total(RESPONSES, zone="chat", code="4xx") == 2
        assert scraped(edge).total(RESPONSES, zone="console", code="3xx") == 1
        assert scraped(edge).total(RESPONSES, zone="pages", code="4xx") == 2


def test_what_no_web_server_has_seen_is_counted(site: Site, tmp_path: Path) -> None:
    few = {"EDGE_RATE_QUESTIONS": "1r/m", "EDGE_BURST_QUESTIONS": "1"}
    with Edge(free_port(), tmp_path, **few) as edge, edge.beside("50-edge-counts.sh"):
        for _ in range(5):
            edge.ask("/api/chat/", "POST", body=b"{}")
        until(lambda: (edge.folder / "counts" / "metrics").exists(), "the counters are there")
        until(lambda: scraped(edge).total(RESPONSES) == 5, "all are counted")
        assert scraped(edge).total(RESPONSES, zone="chat", code="5xx") == 2
        assert scraped(edge).total(LIMITED, zone="chat") == 3


def test_nothing_is_lost_or_counted_twice_when_the_lines_begin_anew(site: Site) -> None:
    with Edge(site.port, site.static, **PLENTY, EDGE_COUNTS_BYTES="2000") as edge, edge.beside("50-edge-counts.sh"):
        with ThreadPoolExecutor(4) as askers:
            list(askers.map(lambda number: edge.ask(f"/static/none-{number}.css"), range(600)))
        until(lambda: scraped(edge).total(RESPONSES, zone="static", code="4xx") == 600, "all are counted")
        lines = edge.folder / "counts" / "lines"
        until(lambda: lines.exists() and lines.stat().st_size < 12_000, "the lines began anew")
