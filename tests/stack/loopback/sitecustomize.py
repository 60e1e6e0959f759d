"""Loaded first by every Python process that the tests start: none leaves this machine, and who tries is told on."""

from __future__ import annotations

import ipaddress
import os
import select
import sys
import time
from pathlib import Path


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _stay_here(event: str, arguments: tuple[object, ...]) -> None:
    if event not in {"socket.connect", "socket.sendto"}:
        return
    address = arguments[1]
    if isinstance(address, tuple) and not _is_here(str(address[0])):
        with Path(os.environ["STEADFAST_TEST_ATTEMPTS"]).open("a") as attempts:
            attempts.write(f"{address[0]}:{address[1]} by {' '.join(sys.orig_argv)}\n")
        raise OSError(f"the tests allow connections to this machine only, not to {address[0]}")


if "STEADFAST_TEST_ATTEMPTS" in os.environ:
    sys.addaudithook(_stay_here)

if "FAKETIME_TIMESTAMP_FILE" in os.environ:
    # libfaketime 0.9.10, told to leave the monotonic clock alone, refuses the call by which Python sleeps.
    time.sleep = lambda seconds: (select.select([], [], [], float(seconds)), None)[1]
