"""One family of errors that means: the caller may try something else."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "timeout",
    "refused",
    "http_error",
    "rate_limited",
    "blocked",
    "bad_response",
    "auth",
    "breaker_open",
    "missing",
    "budget",
]


class ServiceUnavailable(Exception):
    """Something behind us did not help: which one, why in one word, and a sentence for the log.

    `detail` is for operators and must never hold a secret.
    """

    def __init__(self, service: str, reason: Reason, detail: str = "") -> None:
        super().__init__(service, reason, detail)
        self.service = service
        self.reason: Reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.service}: {self.detail or self.reason}"


class AskerGone(Exception):
    """Whoever asked has hung up: nobody waits for this answer any more."""


class EmbedderUnavailable(ServiceUnavailable):
    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__("embedder", reason, detail)


class VectorStoreUnavailable(ServiceUnavailable):
    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__("vector store", reason, detail)


class GeneratorUnavailable(ServiceUnavailable):
    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__("generator", reason, detail)
