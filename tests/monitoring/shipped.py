"""What is shipped for Prometheus and Grafana, as data."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import yaml

from tests.servers import PROJECT

PROMETHEUS = PROJECT / "monitoring" / "prometheus"
DASHBOARDS = PROJECT / "monitoring" / "grafana" / "dashboards"
RUNBOOKS = PROJECT / "monitoring" / "runbooks"
# Metrics, and the series that recording rules make of them; `up` and `ALERTS` are Prometheus's own.
NAME = re.compile(r"\b(?:faq_[a-z0-9_]+|faq:[a-z0-9_:]+|django_[a-z_]+|up|ALERTS)\b")
STRING = re.compile(r'"[^"]*"')


@cache
def rules() -> list[dict[str, Any]]:
    groups = [yaml.safe_load(path.read_text())["groups"] for path in sorted(PROMETHEUS.glob("*.rules.yml"))]
    return [rule for file in groups for group in file for rule in group["rules"]]


@cache
def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@cache
def cases() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in sorted((PROMETHEUS / "tests").glob("*_test.yml"))]
    return [case for file in files for case in file["tests"]]


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels() -> list[tuple[str, dict[str, Any]]]:
    return [(name, panel) for name, dashboard in dashboards().items() for panel in dashboard["panels"]]


def names(expression: str) -> set[str]:
    """The series that an expression asks for; what stands in strings is none."""
    return set(NAME.findall(STRING.sub('""', expression)))


def names_in_rules() -> set[str]:
    return set().union(*(names(rule["expr"]) for rule in rules()))


def names_in_panels() -> set[str]:
    return set().union(*(names(target["expr"]) for _, panel in panels() for target in panel["targets"]))
