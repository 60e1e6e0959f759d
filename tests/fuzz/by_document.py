"""Schemathesis, which draws requests from the OpenAPI document: in an environment of its own, as `make fuzz` has it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.making import Signed
from tests.fuzz.sending import Got, Sent
from tests.servers import PROJECT, dies_with_us

DOOR = "API, schemathesis"
# What it finds by itself; what every answer is judged by is judged by us.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "allow_header_conformance",
]
OPERATIONS = 2


class Drawn:
    """A run of it against a product: what was sent and what came, and what it minds."""

    def __init__(self, program: str, address: str, session: Signed, folder: Path, seed: int, cases: int) -> None:
        self._kept = folder / "drawn.har"
        words = ["run", f"{address}/api/openapi.json", "--phases", "examples,coverage,fuzzing", "--no-color"]
        words += ["-H", f"Cookie: {session.cookie}", "-H", f"X-CSRFToken: {session.token}"]
        words += ["--checks", ",".join(CHECKS), "--continue-on-failure", "--suppress-health-check", "all"]
        words += ["-n", str(max(1, cases // OPERATIONS)), "--seed", str(seed), "--generation-database", "none"]
        words += ["--report", "har", "--report-har-path", str(self._kept), "--output-sanitize", "false"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "STEADFAST_TEST_ATTEMPTS": str(folder / "out")}
        environment["PYTHONPATH"] = str(PROJECT / "tests" / "stack" / "loopback")
        ran = subprocess.run(
            [program, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            preexec_fn=dies_with_us(),
        )
        self.minds = "" if ran.returncode == 0 else f"{ran.stdout[-6_000:]}{ran.stderr[-2_000:]}"

    def exchanges(self) -> Iterator[tuple[Sent, Got]]:
        if self._kept.exists():
            for entry in json.loads(self._kept.read_text(encoding="utf-8"))["log"]["entries"]:
                yield _sent(entry["request"]), _got(entry["response"])


def _sent(request: dict[str, Any]) -> Sent:
    body = str(request.get("postData", {}).get("text", "")).encode("utf-8", "surrogatepass")
    headers = {one["name"]: one["value"] for one in request["headers"]}
    where = urlsplit(request["url"])
    return Sent(DOOR, request["method"], f"{where.path}?{where.query}", body, headers)


def _got(response: dict[str, Any]) -> Got:
    return Got(int(response["status"]), str(response.get("content", {}).get("text", "")))
