"""Alerts: each tested four ways by promtool, each with its runbook, and quiet where another says it already."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from monitoring.health import CHECKS
from tests.monitoring.shipped import PROMETHEUS, RUNBOOKS, alerts, cases
from tests.servers import PROJECT, Server, until

FOUR = ("fires", "is silent just below", "resets", "without its series")
HEADINGS = (
    "Meaning",
    "What askers see",
    "First three looks",
    "Likely causes",
    "Safe actions",
    "What not to do",
    "How it clears",
)


def promtool(*words: str | Path) -> str:
    ran = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("file", sorted(path.name for path in (PROMETHEUS / "tests").glob("*.yml")))
def test_rules_do_what_their_cases_say(file: str) -> None:
    promtool("test", "rules", f"tests/{file}")


def test_each_alert_has_its_four_cases() -> None:
    names = [case["name"] for case in cases()]
    assert sorted(names) == sorted(f"{alert['alert']} {what}" for alert in alerts() for what in FOUR)
    for case in cases():
        alert = case["name"].split()[0]
        expected = [bool(check["exp_alerts"]) for check in case["alert_rule_test"]]
        wanted = {"fires": [True], "is silent just below": [False], "resets": [True, False]}
        what = case["name"].removeprefix(f"{alert} ")
        assert {check["alertname"] for check in case["alert_rule_test"]} == {alert}
        # Of these one is about a series that is missing, and fires then.
        assert expected == wanted.get(what, [alert == "ProductAbsent"]), case["name"]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_it_is_and_where_to_go_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"].keys() == {"summary", "effect", "runbook"}
    page = PROJECT / alert["annotations"]["runbook"]
    assert page.is_file()
    text = page.read_text(encoding="utf-8")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(HEADINGS)
    assert f"`{alert['alert']}`" in text
    looks = text.split("## First three looks")[1].split("\n## ")[0]
    assert [line[:3] for line in looks.splitlines() if line[:1].isdigit()] == ["1. ", "2. ", "3. "]


def test_each_runbook_is_for_an_alert_and_each_check_has_one() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")}
    assert pages == {Path(alert["annotations"]["runbook"]).stem for alert in alerts()}
    assert {check.runbook for check in CHECKS} <= pages


class Alertmanager(Server):
    def command(self) -> list[str | Path]:
        return [
            "prometheus-alertmanager",
            f"--config.file={PROMETHEUS / 'alertmanager.yml'}",
            f"--storage.path={self.folder}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")

    def answers(self) -> bool:
        try:
            return bool(self.call("/api/v2/status"))
        except OSError:
            return False

    def muted(self, *firing: str) -> set[str]:
        """Of these alerts, those that nobody is told of. Each call says for all which fire."""
        known = {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}
        self.call(
            "/api/v2/alerts",
            [
                {
                    "labels": {"alertname": name, "severity": severity},
                    **({} if name in firing else {"endsAt": "2020-01-01T00:00:00Z"}),
                }
                for name, severity in known.items()
            ],
        )
        until(lambda: {one["labels"]["alertname"] for one in self.call("/api/v2/alerts")} == set(firing), "it knows")
        return {one["labels"]["alertname"] for one in self.call("/api/v2/alerts") if one["status"]["inhibitedBy"]}


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[Alertmanager]:
    with Alertmanager() as server:
        yield server


@pytest.mark.parametrize(
    ("firing", "muted"),
    [
        (["VectorStoreDown", "IndexCoverageLow", "FallbacksFrequent"], {"IndexCoverageLow", "FallbacksFrequent"}),
        (["IndexCoverageLow", "FallbacksFrequent"], set()),
        (
            ["DatabaseDown", "MigrationsPending", "VectorStoreDown", "DiskFillingUp"],
            {"MigrationsPending", "VectorStoreDown"},
        ),
        (["AnswersFailingFast", "AnswersFailing", "AnswersFailingSlowly"], {"AnswersFailing", "AnswersFailingSlowly"}),
        (["GeminiKeyRejected", "GeneratorDown", "VectorStoreDown"], {"GeneratorDown"}),
        (["RedisDown", "NoJobWorkers", "LoginAttack"], {"NoJobWorkers"}),
        (["ProductDown", "DatabaseDown", "BackupOld"], {"DatabaseDown", "BackupOld"}),
        (["ProductDown", "ProductAbsent"], set()),
        (["ProductDown", "EdgeDown", "EdgeFailing"], {"EdgeFailing"}),
        (["AnswersFailingFast", "EdgeFailing"], {"EdgeFailing"}),
    ],
    ids=lambda value: "+".join(sorted(value)),
)
def test_what_another_alert_says_already_is_muted(
    alertmanager: Alertmanager, firing: list[str], muted: set[str]
) -> None:
    assert alertmanager.muted(*firing) == muted


def test_inhibitions_name_alerts_that_exist() -> None:
    """A misspelt name would mute nothing, and nobody would notice."""
    known = [alert["alert"] for alert in alerts()]
    config = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            for name in matcher.split('"')[1].split("|"):
                assert any(re.fullmatch(name, alert) for alert in known), name
