"""The real nginx: which TLS it speaks, and where its certificate comes from."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it brings no types

from tests.deploy.conftest import PLENTY, Site
from tests.deploy.containers import HOST
from tests.deploy.edge import Edge
from tests.servers import PROJECT, until


def test_only_the_intermediate_profile_is_spoken(edge: Edge) -> None:
    """Feature: production-deployment, Property 23: SSL Configuration"""
    assert handshake(edge, "-tls1_3") and handshake(edge, "-tls1_2")
    for refused in ("-tls1", "-tls1_1"):
        assert not handshake(edge, refused, "-cipher", "ALL:@SECLEVEL=0")
    for cipher in ("ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
        assert not handshake(edge, "-tls1_2", "-cipher", cipher)
    for curve in ("X25519", "prime256v1", "secp384r1"):
        assert handshake(edge, "-tls1_3", "-groups", curve)
    assert not handshake(edge, "-tls1_3", "-groups", "secp521r1")


def handshake(edge: Edge, *options: str) -> bool:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.port}", "-servername", HOST, *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    return done.returncode == 0 and "Cipher is (NONE)" not in done.stdout


def test_its_own_certificate_names_every_host_and_is_kept(edge: Edge) -> None:
    with edge.connect() as connection:  # verified, name and all
        assert isinstance(connection, ssl.SSLSocket)
        certificate = connection.getpeercert()
        assert connection.version() == "TLSv1.3"
    assert certificate
    names = {pair[1] for pair in certificate["subjectAltName"]}
    assert names == {HOST, "other.example.org", "*.other.example.org", "127.0.0.1"}
    key = edge.folder / "certificates" / "privkey.pem"
    before = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    edge.prepare()
    assert key.read_bytes() == before


def test_another_certificate_is_taken_up_without_a_restart(site: Site, tmp_path: Path) -> None:
    with Edge(site.port, site.static, **PLENTY) as edge, edge.beside("40-certificate-watch.sh") as watch:
        before = fingerprint(edge)
        until(lambda: sleeps(watch), "it has seen the certificate, and waits for another")
        folder = edge.folder / "certificates"
        (folder / "fullchain.pem").unlink()
        subprocess.run([PROJECT / "nginx/start/30-edge.sh"], env=edge.environment, check=True, capture_output=True)
        until(lambda: fingerprint(edge) != before, "the new certificate is served")


def sleeps(pid: int) -> bool:
    """Is a `sleep` at work below this process?"""
    return any(child.name() == "sleep" for child in psutil.Process(pid).children(recursive=True))


def fingerprint(edge: Edge) -> str:
    return hashlib.sha256(ssl.get_server_certificate(("127.0.0.1", edge.port)).encode()).hexdigest()


def test_a_start_without_names_says_so(tmp_path: Path) -> None:
    for names in ("", "a;b", "$(id)"):
        environ = {"PATH": "/usr/bin:/bin", "ALLOWED_HOSTS": names, "CERTIFICATE_DIR": str(tmp_path)}
        done = subprocess.run(
            [PROJECT / "nginx/start/30-edge.sh"],
            env={**environ, "NGINX_ENVSUBST_OUTPUT_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 78
        assert "ALLOWED_HOSTS" in done.stderr
