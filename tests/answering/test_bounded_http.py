"""A call keeps its time and its size, whatever is slow: the name, the address, the reply."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rag import bounded_http
from rag.bounded_http import Call, client, fault
from tests.standins.gemini import API_KEY, GeminiStandIn

MODEL = "/v1beta/models/m"
ENOUGH = 20.0


def get(url: str, seconds: float = ENOUGH) -> httpx2.Response:
    with client(url) as made, Call(seconds):
        return made.get(f"{url}{MODEL}", headers={"x-goog-api-key": API_KEY})


def failed(url: str, seconds: float = ENOUGH) -> str | None:
    with pytest.raises(Exception) as caught:
        get(url, seconds)
    return fault(caught.value)


@pytest.fixture
def full_queue(gemini: GeminiStandIn) -> Iterator[None]:
    """The stand-in's port at ::1 belongs to a server that takes nobody in, and refuses nobody."""
    port = int(gemini.url.rpartition(":")[2])
    with ExitStack() as stack:
        stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            waiting.connect_ex(("::1", port))
        yield


def two_addresses(*_: object) -> list[str]:
    return ["::1", "127.0.0.1"]


def test_a_dead_address_leaves_time_for_the_next(gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "_look_up", two_addresses)
    assert get(gemini.url).status_code == 200


@pytest.mark.usefixtures("full_queue")
def test_an_address_that_hangs_leaves_time_for_the_next(gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "_look_up", two_addresses)
    assert get(gemini.url, 2.0).status_code == 200


def test_a_name_that_is_not_found_in_time_is_a_timeout(gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(ENOUGH) and [])
    assert failed(gemini.url, 0.5) == "timeout"
    answered.set()


def test_a_name_that_does_not_exist_is_refused(gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failed(gemini.url) == "refused"


def test_a_server_that_is_gone_is_refused(gemini: GeminiStandIn) -> None:
    gemini.stop()
    assert failed(gemini.url) == "refused"


def test_a_reply_that_drips_is_a_timeout(gemini: GeminiStandIn) -> None:
    gemini.behave("drip_headers")
    gemini.drip_seconds = 0.05
    assert failed(gemini.url, 0.5) == "timeout"


def test_a_reply_that_is_too_long_is_no_fault_of_the_way(
    gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "LONGEST_REPLY", 200)
    with pytest.raises(ValueError, match="longer than 200 bytes") as caught:
        get(gemini.url)
    assert fault(caught.value) is None


def test_redirects_are_not_followed(gemini: GeminiStandIn) -> None:
    gemini.behave("redirect")
    assert get(gemini.url).status_code == 307
    assert len(gemini.requests) == 1


def test_the_proxy_of_the_company_is_used_but_not_for_this_machine(
    gemini: GeminiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", gemini.url)
    assert get("http://gemini.invalid").status_code == 200
    assert gemini.requests[0].path == f"http://gemini.invalid{MODEL}"
    assert get(gemini.url).status_code == 200
    assert gemini.requests[1].path == MODEL
    monkeypatch.setenv("no_proxy", "gemini.invalid")
    monkeypatch.setattr(bounded_http, "_look_up", lambda *_: ["127.0.0.1"])
    assert failed("http://gemini.invalid:1") == "refused"


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for 127.0.0.1 that it gave itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day, now = timedelta(days=1), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.pem").write_bytes(secret + made.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def test_only_a_certificate_that_can_be_checked_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = self_signed(tmp_path)
    with GeminiStandIn() as gemini:
        gemini._server.socket = context.wrap_socket(gemini._server.socket, server_side=True)
        url = gemini.url.replace("http:", "https:")
        assert failed(url) == "refused"
        assert gemini.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        assert get(url).status_code == 200
