"""A stand-in for the Gemini API: the calls that google-genai makes, answered as the test chooses."""

from __future__ import annotations

import argparse
import json
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from typing import Any, Self
from urllib.parse import urlsplit

API_KEY = "stand-in-key"
MODEL_VERSION = "gemini-stand-in-001"
SHORTEST_SERVER_TIMEOUT = 10  # the real API refuses a smaller X-Server-Timeout
RPC = "type.googleapis.com/google.rpc"
PATH = re.compile(r"/(?P<version>v1|v1beta)/models(?:/(?P<model>[^/:]+))?(?::(?P<call>\w+))?")

# name: HTTP code, status word, message. "{key}" is the caller's key, as the real API sometimes repeats it.
REFUSALS = {
    "bad_request": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "bad_key": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "401": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "403": (403, "PERMISSION_DENIED", "Consumer 'api_key:{key}' has been suspended."),
    "404": (404, "NOT_FOUND", "The model is not found for this API version."),
    "429": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    "500": (500, "INTERNAL", "An internal error has occurred."),
    "503": (503, "UNAVAILABLE", "The model is overloaded."),
    "deadline_too_short": (400, "INVALID_ARGUMENT", "Manually set deadline is too short."),
    "no_thinking": (400, "INVALID_ARGUMENT", "Thinking level is not supported for this model."),
}

# Odd bodies with status 200.
BODIES = {
    "broken_json": b'{"candidates": [{"content": {"par',
    "html": b"<html><body>Welcome to the airport network</body></html>",
    "list": b"[1, 2]",
    "wrong_types": b'{"candidates": {"content": 7}}',
    "no_candidates": b'{"usageMetadata": {"promptTokenCount": 5}, "modelVersion": "gemini-stand-in-001"}',
    "prompt_blocked": b'{"promptFeedback": {"blockReason": "SAFETY"}}',
}

FINISHES = {"candidate_blocked": "SAFETY", "max_tokens": "MAX_TOKENS", "recitation": "RECITATION"}
BROKEN_LINES = {"hang", "disconnect", "bad_gateway", "redirect", "drip_headers"}
ANSWERS = {"good", "drip", "cut", "stall", "midway_error", "bad_utf8", "empty_text"}
BEHAVIOURS = frozenset().union(ANSWERS, REFUSALS, BODIES, FINISHES, BROKEN_LINES)


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    path: str
    key: str
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """All text of `contents`, as the model would read it."""
        return "".join(p.get("text", "") for c in self.body.get("contents", ()) for p in c.get("parts", ()))

    @property
    def system(self) -> str:
        return "".join(p.get("text", "") for p in self.body.get("systemInstruction", {}).get("parts", ()))


def grounded_answer(prompt: str) -> str:
    """The first sentence of the first passage in the prompt, cited; NO_ANSWER where there is none."""
    found = re.search(r"<passages>(.*?)</passages>", prompt, re.DOTALL)
    passages = json.loads(found[1]) if found else []
    if not passages:
        return "NO_ANSWER"
    sentence = re.split(r"(?<=[.!?])\s", passages[0]["answer"].strip(), maxsplit=1)[0]
    return f"{sentence} [{passages[0]['n']}]"


def chunk(text: str, finish: str | None = None, *, thought: bool = False) -> dict[str, Any]:
    """One GenerateContentResponse; a whole answer, or a piece of a stream."""
    part = {"text": text, **({"thought": True} if thought else {})}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 40, "candidatesTokenCount": len(text.split()), "thoughtsTokenCount": 2}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL_VERSION}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    standin: GeminiStandIn


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what came in is in `GeminiStandIn.requests`."""

    def setup(self) -> None:
        super().setup()
        self.standin = self.server.standin
        self.standin.connections.add(self.connection)

    def finish(self) -> None:
        self.standin.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        received = Received(self.command, self.path, self.headers.get("x-goog-api-key", ""), body)
        try:
            self._answer(received, self.standin.take(received))
        except OSError:  # the caller went away, or stop() closed the line
            self.standin.disconnects += 1
            self.close_connection = True

    do_POST = do_GET

    def _answer(self, received: Received, behaviour: str) -> None:
        path = PATH.fullmatch(urlsplit(self.path).path)
        thinks = "thinkingConfig" in received.body.get("generationConfig", {})
        if path is None:
            self._refuse("404", received.key)
        elif received.key != self.standin.api_key:
            self._refuse("bad_key", received.key)
        elif 0 < float(self.headers.get("X-Server-Timeout") or 0) < SHORTEST_SERVER_TIMEOUT:
            self._refuse("deadline_too_short", received.key)
        elif behaviour in REFUSALS and (behaviour != "no_thinking" or thinks):
            self._refuse(behaviour, received.key)
        elif behaviour in BROKEN_LINES:
            getattr(self, f"_{behaviour}")()
        elif behaviour in BODIES:
            self._send(200, BODIES[behaviour])
        elif path["call"] in ("generateContent", "streamGenerateContent"):
            text = self.standin.says(received)
            send = self._send_whole if path["call"] == "generateContent" else self._send_stream
            send(behaviour, "" if behaviour == "empty_text" else text)
        else:
            model = {"name": f"models/{path['model']}", "version": MODEL_VERSION, "displayName": "A stand-in"}
            self._send(200, json.dumps(model if path["model"] else {"models": []}).encode())

    def _refuse(self, name: str, key: str) -> None:
        code, status, message = REFUSALS[name]
        pause = f"{self.standin.retry_after}s"
        details = {
            "bad_key": [{"@type": f"{RPC}.ErrorInfo", "reason": "API_KEY_INVALID"}],
            "429": [{"@type": f"{RPC}.RetryInfo", "retryDelay": pause}],
        }.get(name, [])
        error = {"code": code, "status": status, "message": message.format(key=key), "details": details}
        headers = {"Retry-After": pause.removesuffix("s")} if name == "429" else None
        self._send(code, json.dumps({"error": error}).encode(), headers)

    def _hang(self) -> None:
        self.standin.wait(self.connection, None)

    def _disconnect(self) -> None:
        self.close_connection = True

    def _bad_gateway(self) -> None:
        self._send(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"})

    def _redirect(self) -> None:
        self._send(307, b"", {"Location": f"{self.standin.url}/elsewhere"})

    def _drip_headers(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000)

    def _send_whole(self, behaviour: str, text: str) -> None:
        self.standin.wait(self.connection, self.standin.first_token_delay)
        body = json.dumps(chunk(text, FINISHES.get(behaviour, "STOP"))).encode()
        if behaviour == "bad_utf8":
            body = body.replace(b"[1]", b"\xff\xfe [1]")
        self._head(200, {"Content-Length": str(len(body))})
        send = self._drip if behaviour == "drip" else self.wfile.write
        send(body[: len(body) // 2] if behaviour == "cut" else body)
        self.close_connection = behaviour == "cut"

    def _send_stream(self, behaviour: str, text: str) -> None:
        """Server-sent events; ended by closing the line, so that a cut looks like an end."""
        self._head(200, {"Content-Type": "text/event-stream", "Connection": "close"})
        self.close_connection = True
        self.standin.wait(self.connection, self.standin.first_token_delay)
        for piece in self._pieces(behaviour, text):
            event = b"data: " + json.dumps(piece).encode() + b"\r\n\r\n"
            send = self._drip if behaviour == "drip" else self.wfile.write
            send(event.replace(b"[1]", b"\xff\xfe [1]") if behaviour == "bad_utf8" else event)

    def _pieces(self, behaviour: str, text: str) -> Iterator[dict[str, Any]]:
        words = re.findall(r"\s*\S+", text)
        half = len(words) // 2 if behaviour in ("cut", "stall", "midway_error") else None
        yield chunk("a thought that nobody should read ", thought=True)
        yield from map(chunk, words[:half])
        if behaviour == "stall":
            self.standin.wait(self.connection, None)
        elif behaviour == "midway_error":
            yield {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
        elif behaviour != "cut":
            yield chunk("", FINISHES.get(behaviour, "STOP"))

    def _drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.standin.wait(self.connection, self.standin.drip_seconds)

    def _head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(code, {**(headers or {}), "Content-Length": str(len(body))})
        self.wfile.write(body)


class GeminiStandIn:
    """Starts on a free port; `behave` says what the next requests get, `requests` what came."""

    def __init__(self, *, port: int = 0, api_key: str = API_KEY) -> None:
        self.api_key = api_key
        self.text = ""  # what the model says; empty: a grounded answer from the prompt
        self.says: Callable[[Received], str] = lambda received: self.text or grounded_answer(received.prompt)
        self.retry_after = 7
        self.first_token_delay = 0.0
        self.drip_seconds = 1.0
        self.requests: list[Received] = []
        self.disconnects = 0  # callers that left before their answer was whole
        self.connections: set[socket.socket] = set()
        self._behaviours = ["good"]
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.standin = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def behave(self, *behaviours: str) -> None:
        """One behaviour for each coming request; the last one stays."""
        if not behaviours or not BEHAVIOURS.issuperset(behaviours):
            raise ValueError(f"unknown behaviour in {behaviours}; known: {sorted(BEHAVIOURS)}")
        self._behaviours = list(behaviours)

    def take(self, received: Received) -> str:
        with self._lock:
            self.requests.append(received)
            return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]

    def wait(self, connection: socket.socket, seconds: float | None) -> None:
        """Let time pass (None: for ever); an OSError as soon as the caller leaves or the server stops."""
        end = time.monotonic() + (inf if seconds is None else seconds)
        while (left := end - time.monotonic()) > 0:
            if self._stopping.is_set():
                raise ConnectionAbortedError("the stand-in stops")
            if select.select([connection], [], [], min(0.02, left))[0] and not connection.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError("the caller left")

    def start(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    __enter__ = start

    def __exit__(self, *exc: object) -> None:
        self.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, and prints it")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--behave", nargs="+", default=["good"], help=", ".join(sorted(BEHAVIOURS)))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with GeminiStandIn(port=options.port, api_key=options.api_key) as standin, suppress(KeyboardInterrupt):
        standin.behave(*options.behave)
        print(standin.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
