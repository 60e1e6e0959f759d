"""testssl.sh, Debian's, asked about the running nginx, and what the Observatory would give it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.deploy.stack.stack import HTTPS, Stack

# Protocols, ciphers, forward secrecy, what the server prefers and says of itself, headers, known weaknesses. Not asked:
# what each of forty old browsers would agree on, and each cipher of OpenSSL one by one, which take minutes.
ASKED = ["-p", "-s", "-f", "-P", "-S", "-h", "-U"]
GRAVE = {"MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL"}
# What only a certificate of a public authority for a public name can have, and testssl.sh's own machine.
NOT_HERE = {
    "cert_chain_of_trust": "the certificate is our own",
    "cert_revocation": "nobody could revoke it",
    "cert_expirationStatus": "the one that nginx makes is for thirty days, until another comes",
    "cert_notAfter": "the same",
    "sessionresumption_ticket": "nginx gives no tickets, which testssl.sh takes for a connection that failed",
    "engine_problem": "about the openssl that testssl.sh itself uses",
}


def findings(folder: Path) -> list[dict[str, str]]:
    report = folder / "testssl.json"
    words = [
        "testssl",
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        *ASKED,
        "--ip",
        "127.0.0.1",
        "--jsonfile",
        str(report),
    ]
    told = subprocess.run([*words, f"localhost:{HTTPS}"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert report.exists(), told.stdout[-2000:] + told.stderr[-2000:]
    found: list[dict[str, str]] = json.loads(report.read_text())
    return found


def test_testssl_finds_nothing_above_low(stack: Stack, tmp_path: Path) -> None:
    found = findings(tmp_path)
    told = [f"{one['severity']} {one['id']}: {one['finding']}" for one in found]
    passed_over = [
        line for line, one in zip(told, found, strict=True) if one["severity"] in GRAVE and one["id"] in NOT_HERE
    ]
    print(f"\ntestssl.sh: {len(found)} findings; passed over:", *passed_over, sep="\n  ")
    # It looked: the protocols, the weaknesses, and the headers are all there.
    assert {"TLS1_3", "TLS1", "heartbleed", "ROBOT", "HSTS_time", "cipherlist_NULL"} <= {one["id"] for one in found}
    assert not [
        line for line, one in zip(told, found, strict=True) if one["severity"] in GRAVE and one["id"] not in NOT_HERE
    ]
