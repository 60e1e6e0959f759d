"""Offers of TLS, good and bad, and what nginx makes of them."""

from __future__ import annotations

import socket
import ssl
import warnings

from tests.deploy.edge import Edge

VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
GOOD = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305")
WEAK = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "DHE-RSA-AES128-GCM-SHA256",
    "AES256-SHA",
)


def shaken(edge: Edge, version: ssl.TLSVersion, ciphers: list[str], name: str) -> str | None:
    """The version agreed on, or None where nginx hung up."""
    context = edge.trust()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(":".join([*ciphers, "@SECLEVEL=0"]))
    with socket.create_connection(("127.0.0.1", edge.port), timeout=30) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=name) as safe:
                return safe.version()
        except (ssl.SSLError, ConnectionError):
            return None
