"""Debian's Prometheus, with our rules and our scrape, every second instead of every fifteen."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.monitoring.shipped import PROMETHEUS
from tests.servers import Server

WINDOW = "20s"  # for Grafana's $__rate_interval


DURATION = re.compile(r"(\d+)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Prometheus(Server):
    def __init__(self, *, shorter: int = 1, alertmanager: str = "", **targets: str) -> None:
        """`targets` by the name of their job in our configuration. All windows of the rules are so many times shorter
        than they are shipped.
        """
        super().__init__()
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        every = "1s" if shorter == 1 else "2s"  # a busy machine shall not have the product taken for down
        config["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1s"}
        config["rule_files"] = [self._rules(name, shorter) for name in config["rule_files"]]
        told = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
        config["alerting"] = {"alertmanagers": told}
        config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in targets]
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def _rules(self, name: str, shorter: int) -> str:
        text = (PROMETHEUS / name).read_text()
        text = re.sub(r"\[\d+[smhd]\]|for: \d+[smhd]", lambda found: _shortened(found[0], shorter), text)
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def command(self) -> list[str | Path]:
        return [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def get(self, path: str, **parameters: str | float) -> Any:
        """The data of an answer; AssertionError with Prometheus's own words when it refuses."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}?{urlencode(parameters)}", timeout=10) as response:
                return json.loads(response.read())["data"]
        except HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def values(self, expression: str, seconds: float = 30.0) -> list[float]:
        """Everything that an expression of a panel gave in the last seconds, NaN left out."""
        now = time.time()
        found = self.get("/api/v1/query_range", query=filled_in(expression), start=now - seconds, end=now, step=1)
        return [float(value) for series in found["result"] for _, value in series["values"] if value != "NaN"]

    def names(self) -> set[str]:
        return set(self.get("/api/v1/label/__name__/values"))


def _shortened(text: str, times: int) -> str:
    return DURATION.sub(lambda found: f"{max(1, int(found[1]) * SECONDS[found[2]] // times)}s", text)


def filled_in(expression: str) -> str:
    """As Grafana would send it."""
    for variable, value in {"$__rate_interval": WINDOW, "$job": "steadfast", "$instance": ".*"}.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression
