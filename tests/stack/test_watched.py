"""A real Prometheus watches a real product under load: every panel has data, and every name is one that exists."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
from playwright.sync_api import Page

from tests.deploy.edge import Edge
from tests.monitoring.shipped import alerts, dashboards, names, names_in_panels, names_in_rules, panels
from tests.servers import until
from tests.stack.asker import Asker
from tests.stack.conftest import Environment
from tests.stack.drawn import drawn
from tests.stack.product import Product
from tests.stack.prometheus import Prometheus
from tests.stack.scraping import parsed
from tests.stack.secrecy import written
from tests.standins.gemini import API_KEY, GeminiStandIn

SETTLES = 60.0
SIGNING_KEY = "watched/signs+with?this&0123456789-0123456789-0123456789"
STORE_KEY = "watched-store-key~0123456789"
# Others have named these.
LIBRARY = ("django_", "python_", "process_", "rq_")


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, servers: Callable[[], Environment]
) -> Iterator[tuple[Product, Prometheus]]:
    folder = tmp_path_factory.mktemp("watched")
    with GeminiStandIn() as gemini:
        # The look at its health may meet the first one; the asker who needs an answer meets the other.
        gemini.behave("403", "403", "good")
        product = Product(
            folder,
            **servers(),  # type: ignore[arg-type]  # addresses by name
            GEMINI_API_KEY=API_KEY,
            SECRET_KEY=SIGNING_KEY,
            QDRANT_API_KEY=STORE_KEY,
            GEMINI_BASE_URL=gemini.url,
            BACKUP_COMMAND="true",
            TLS_CERTIFICATE_FILE=str(_certificate(folder)),
            IMAGE_VERSION="1.2.3",
            LOG_FORMAT="json",
            LOG_LEVEL="DEBUG",  # the most that can be told
        )
        place = product.address.removeprefix("http://")
        with (
            product,
            Edge(product.port, folder, EDGE_RATE="10000r/s", EDGE_RATE_QUESTIONS="6r/m") as edge,
            edge.beside("50-edge-counts.sh"),
            Prometheus(steadfast=place, edge=f"127.0.0.1:{edge.metrics_port}") as prometheus,
            under_load(product),
        ):
            for _ in range(30):
                edge.ask("/", "POST", body=b"")  # more questions than it lets through
            _guess_passwords(product)
            _pretend_a_job_runs(product)
            until(lambda: prometheus.values("ALERTS"), "an alert fires", SETTLES)
            yield product, prometheus


@contextmanager
def under_load(product: Product) -> Iterator[None]:
    over = threading.Event()

    def ask() -> None:
        asker, number = Asker(product.address), 0
        while not over.is_set():
            number += 1
            given = asker.ask(questions(number)[number % 6])
            if given.status == 200:
                vote = json.dumps({"vote": "up"}).encode()
                headers = {"Content-Type": "application/json", "X-CSRFToken": asker.token(), "Origin": asker.address}
                asker.send(Request(f"{asker.address}/api/chat/{given.json['id']}/feedback/", vote, headers))
            asker.send(_streamed(asker, "How do I publish an entry?"))
            time.sleep(0.1)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def questions(number: int) -> tuple[str, ...]:
    """One of six ends in suggestions: what is promised is that no more than three of ten do."""
    known = (
        "How do I import a CSV file?",
        "how can i put our own questions into it",
        "How do I publish an entry?",
        "what happens when qdrant is down",
        "How do I go back to an older version of an entry?",
    )
    return (*known, f"moon {number}")


def _streamed(asker: Asker, question: str) -> Request:
    headers = {"Content-Type": "application/json", "X-CSRFToken": asker.token(), "Accept": "text/event-stream"}
    body = json.dumps({"question": question}).encode()
    return Request(f"{asker.address}/api/chat/", body, {**headers, "Origin": asker.address})


def _guess_passwords(product: Product) -> None:
    """As somebody does who must not, for an alert."""
    code = """
from django.contrib.auth.models import User
User.objects.create_user("known", password="known", is_staff=True)
"""
    product.does(code)
    for _ in range(45):  # well above the thirty of the rule, as Prometheus sees only what lies between two scrapes
        Asker(product.address).post("/admin/login/", username="nobody", password="guess")
    Asker(product.address).post("/admin/login/", username="known", password="known")


def _pretend_a_job_runs(product: Product) -> None:
    """One that stays where it is: heard of in an hour's time, so that nobody takes it over."""
    product.does("""
from datetime import timedelta
from django.utils import timezone
from rag.models import Job
soon = timezone.now() + timedelta(hours=1)
Job.objects.create(kind="build", scope_key="pretended", state="running", total=10, done=4, heartbeat_at=soon)
""")


def _certificate(folder: Path) -> Path:
    made = folder / "certificate.pem"
    words = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=test",
    ]
    command = ["openssl", "req", *words, "-keyout", str(folder / "key.pem"), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


Watched = tuple[Product, Prometheus]


def test_every_panel_has_data(watched: Watched) -> None:
    _, prometheus = watched
    empty: dict[str, str] = {}
    for dashboard, panel in panels():
        for target in panel["targets"]:
            name = f"{dashboard}: {panel['title']}: {target['refId']}"

            def has_data(expression: str = target["expr"]) -> bool:
                return bool(prometheus.values(expression))

            try:
                until(has_data, name, 20.0, pause=1.0)
            except AssertionError:
                empty[name] = target["expr"]
    assert empty == {}


@pytest.mark.parametrize("name", dashboards())
def test_a_dashboard_can_be_looked_at(watched: Watched, page: Page, name: str) -> None:
    """Drawn from its own JSON; `make pictures` keeps what is seen."""
    _, prometheus = watched
    page.set_viewport_size({"width": 1400, "height": 900})
    page.set_content(drawn(dashboards()[name], prometheus, time.time(), seconds=60))
    assert page.locator("section").count() == len(dashboards()[name]["panels"])
    assert page.locator("section:has(.none) h2").all_inner_texts() == []
    if folder := os.environ.get("DASHBOARD_PICTURES"):
        page.screenshot(path=Path(folder) / f"grafana-{name}.png", full_page=True)


def test_every_name_in_rules_and_panels_is_scraped(watched: Watched) -> None:
    _, prometheus = watched
    assert (names_in_rules() | names_in_panels()) - prometheus.names() == set()


def test_every_metric_is_used_by_a_rule_or_a_panel(watched: Watched) -> None:
    product, _ = watched
    scraped = {name for name, _ in parsed(product.get("/metrics").text).values if name.startswith("faq_")}
    used = names_in_rules() | names_in_panels()
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in used}
    unused = {
        name
        for name in scraped
        if name.removesuffix("_sum").removesuffix("_count").removesuffix("_bucket") not in families
    }
    assert unused == set()


def test_promtool_finds_nothing_wrong_with_the_scrape(watched: Watched) -> None:
    """All of it can be read; what it minds in names that libraries gave is theirs."""
    product, _ = watched
    scraped = product.get("/metrics").text
    ran = subprocess.run(["promtool", "check", "metrics"], input=scraped, capture_output=True, text=True)
    minded = [line for line in (ran.stdout + ran.stderr).splitlines() if not line.startswith(LIBRARY)]
    assert minded == []
    assert ran.returncode in {0, 3}  # 3: it minds a name; 1: it could not read something


def test_the_series_stay_within_their_number(watched: Watched) -> None:
    product, _ = watched
    assert len(parsed(product.get("/metrics").text).values) <= 1_500


def test_only_the_alerts_fire_that_should(watched: Watched) -> None:
    _, prometheus = watched
    until(lambda: "LoginAttack" in firing(prometheus), "the alert fires", 60, pause=1)
    # How quick answers are is the machine's affair, which runs other tests beside this.
    causes = {name for name in firing(prometheus) if not name.startswith("AnswersSlow")}
    assert causes <= {"LoginAttack", "GeminiKeyRejected"}


def firing(prometheus: Prometheus) -> set[str]:
    answer = prometheus.get("/api/v1/query", query='ALERTS{alertstate="firing"}')
    return {series["metric"]["alertname"] for series in answer["result"]}


def test_prometheus_finds_no_rule_that_fails(watched: Watched) -> None:
    _, prometheus = watched
    groups: list[dict[str, Any]] = prometheus.get("/api/v1/rules")["groups"]
    judged = [rule for group in groups for rule in group["rules"]]
    assert [rule["name"] for rule in judged if rule["health"] != "ok"] == []
    assert {alert["alert"] for alert in alerts()} <= {rule["name"] for rule in judged}


def test_names_are_found_in_an_expression() -> None:
    expression = 'sum by (rung) (rate(faq_answers_total{rung="faq_none"}[5m])) > 0 and faq:requests:increase1h > up'
    assert names(expression) == {"faq_answers_total", "faq:requests:increase1h", "up"}


def test_no_secret_is_in_any_output(watched: Watched) -> None:
    """Log, error pages, metrics and rows, after Gemini has refused the key by quoting it."""
    product, _ = watched
    outputs = {path: product.get(path).text for path in ("/metrics", "/readyz", "/nowhere", "/admin/nowhere", "/api/x")}
    outputs["log"] = product.log()
    outputs["rows"] = product.does("""
from django.apps import apps
for model in apps.get_models():
    if model._meta.app_label in ("rag", "faq", "console", "admin"):
        print(*model._default_manager.order_by("pk").values()[:500], sep="\\n")
""")
    assert "HTTP 403" in outputs["log"]
    assert "verbatim" in outputs["rows"] or "exact" in outputs["rows"]
    found = [
        (where, form)
        for where, text in outputs.items()
        for secret in (SIGNING_KEY, STORE_KEY, API_KEY)
        for form in written(secret)
        if form in text
    ]
    assert found == []


def test_each_line_of_the_log_is_json_and_none_tells_a_question(watched: Watched) -> None:
    product, _ = watched
    lines = [line for line in product.log().splitlines() if line.startswith("{")]
    told = [json.loads(line) for line in lines]
    answers = [line for line in told if line["event"] == "answer"]
    assert answers
    assert all(line["request_id"] != "-" and line["rung"] and line["milliseconds"]["total"] for line in answers)
    assert [line for line in told if line["event"] == "unlisted"] == []
    assert "publish an entry?" not in "\n".join(lines)
    assert "how importing works" not in "\n".join(lines)


def test_the_id_of_a_request_goes_on_to_the_job_that_it_asked_for(watched: Watched) -> None:
    """From nginx, which names it in a header, through the web server and RQ to a line of the worker."""
    product, _ = watched
    product.does("""
from django.contrib.auth.models import User
User.objects.create_superuser("sre", password="sre")
""")
    asker = Asker(product.address)
    asker.post("/admin/login/", username="sre", password="sre")
    assert asker.post("/admin/rag/generation/scan/", request_id="named-by-nginx").status == 200
    lines = until(lambda: _of(product, "named-by-nginx", "job_ended"), "the worker has done it", 30)
    assert {line["state"] for line in lines} == {"succeeded"}
    assert _of(product, "named-by-nginx", "audit")


def _of(product: Product, request_id: str, event: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in product.log().splitlines() if line.startswith("{")]
    return [line for line in told if line["request_id"] == request_id and line["event"] == event]
