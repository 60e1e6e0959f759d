"""What the tests themselves stand on: no way out of this machine, ports for one only, servers that leave with us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types
import pytest

from tests.line import Line
from tests.servers import PROJECT, Redis, free_port, until
from tests.standins.gemini import GeminiStandIn

ELSEWHERE = ("192.0.2.1", 80)  # an address that is kept for examples; nobody has it
GUARD = PROJECT / "tests" / "stack" / "loopback"


def test_a_test_that_leaves_this_machine_fails() -> None:
    with pytest.warns(UserWarning, match=r"192\.0\.2\.1"), pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        socket.create_connection(ELSEWHERE, timeout=1)


def test_no_proxy_is_known_to_tests_and_their_processes() -> None:
    assert not [name for name in os.environ if name.lower().endswith("_proxy") and name.lower() != "no_proxy"]


def test_a_process_that_leaves_this_machine_fails_and_is_told_on(tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    environment = {"PYTHONPATH": str(GUARD), "STEADFAST_TEST_ATTEMPTS": str(attempts)}
    code = f"import socket; socket.create_connection({ELSEWHERE}, timeout=1)"
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "connections to this machine only" in ran.stderr
    assert attempts.read_text().startswith("192.0.2.1:80 by ")


def test_a_process_may_connect_to_this_machine(tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    environment = {"PYTHONPATH": str(GUARD), "STEADFAST_TEST_ATTEMPTS": str(attempts)}
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('localhost', {server.getsockname()[1]}), timeout=5)"
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not attempts.exists()


def test_a_port_is_given_to_one_only() -> None:
    ports = [free_port() for _ in range(20)]
    code = "from tests.servers import free_port; print(*(free_port() for _ in range(200)))"
    others = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert len({*ports, *map(int, others.stdout.split())}) == 220


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_leaves_with_the_tests_however_they_end(by: signal.Signals) -> None:
    code = (
        "from tests.servers import Postgresql, Redis\n"
        "with Postgresql() as postgresql, Redis() as redis:\n"
        "    print(postgresql._process.pid, redis._process.pid, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        pids = [int(pid) for pid in tests.stdout.readline().split()]
        assert len(pids) == 2
        servers = [psutil.Process(pid) for pid in pids]
        tests.send_signal(by)
    _, left = psutil.wait_procs(servers, timeout=20)
    assert not left


def test_a_server_that_is_stopped_starts_again_at_the_same_place() -> None:
    with Redis() as server:
        before = server.url
        server.stop()
        assert not server.answers()
        server.start()
        assert (server.url, server.answers()) == (before, True)


def test_a_line_is_cut_held_and_mended(gemini: GeminiStandIn) -> None:
    with Line(gemini.url) as line:
        port = int(line.url.rpartition(":")[2])
        assert status(port) == "HTTP/1.1 404"
        line.hold()
        with pytest.raises(TimeoutError):
            status(port, seconds=0.3)
        line.cut()
        with pytest.raises(ConnectionError):
            status(port)
        line.mend()
        assert until(lambda: status(port), "it passes on") == "HTTP/1.1 404"


def status(port: int, seconds: float = 5) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return connection.recv(12).decode()
