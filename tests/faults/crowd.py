"""Those who ask without pause, and somebody who edits and remembers what was acknowledged."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException
from itertools import count
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request

from tests.servers import until
from tests.stack.asker import Asker, Reply

numbers = count()  # of all crowds: what one has asked is kept
PASSWORD = re.compile(r"user admin, password (\S+)")


@dataclass(frozen=True)
class Asked:
    """One question: when, since the beginning, how long it took, and what is wrong with what came back."""

    at: float
    seconds: float
    status: int
    answered_by: str = ""
    degraded: tuple[str, ...] = ()
    fault: str = ""
    answer: str = ""  # its id


@dataclass
class Crowd:
    """Each asks in words that no cache knows, and each answer is held to the contract."""

    address: str
    askers: int
    pause: float = 0.05  # of each, in the mean
    asked: list[Asked] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self.began = time.monotonic()
        for _ in range(self.askers):
            asker = Asker(self.address)
            asker.token()
            self._threads.append(threading.Thread(target=self._ask_on, args=(asker,), daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Asked]:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
        return sorted(self.asked, key=lambda one: one.at)

    def _ask_on(self, asker: Asker) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                reply = asker.ask(f"When do you close on Saturday? I come with bus {next(numbers)}.")
            except (OSError, HTTPException) as error:  # a worker died with this question in hand
                self.asked.append(Asked(began - self.began, time.monotonic() - began, 0, fault=repr(error)))
            else:
                self.asked.append(self._judged(began - self.began, reply))
            time.sleep(0.05)  # people do not ask as fast as they can

    def _judged(self, at: float, reply: Reply) -> Asked:
        if reply.status != 200:
            return Asked(at, reply.seconds, reply.status, fault=reply.text[:200])
        fault = "" if reply.answer.strip() and reply.sources else f"nothing useful: {reply.text[:200]}"
        return Asked(at, reply.seconds, 200, reply.answered_by, tuple(reply.degraded), fault, str(reply.json["id"]))


class _Form(HTMLParser):
    """What a browser would send of the entry's form, unless somebody changes it."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and name and given.get("type") not in {"submit", "checkbox", "radio", "file"}:
            self.fields[name] = given.get("value") or ""
        elif tag == "textarea" and name:
            self._inside, self.fields[name] = name, ""
        elif tag == "select" and name:
            self._inside = name
        elif tag == "option" and self._inside and "selected" in given:
            self.fields[self._inside] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in {"textarea", "select"}:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside and self.lasttag == "textarea":
            self.fields[self._inside] += data


@dataclass
class Editor:
    """Saves entries in the console as a person does, again and again, each time with a higher number in the answer."""

    address: str
    password: str
    entries: dict[str, int]  # external id to primary key
    acknowledged: dict[str, int] = field(default_factory=dict)
    refusals: list[tuple[int, str]] = field(default_factory=list)  # 0 where the connection broke

    @property
    def refused(self) -> int:
        return len(self.refusals)

    def begin(self) -> None:
        self._browser = Asker(self.address)
        until(self._logged_in, "the editor is let in", pause=1.0)  # a process may still look for the database
        self._forms = {name: self._form(pk) for name, pk in self.entries.items()}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._edit_on, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)

    def _logged_in(self) -> bool:
        welcome = self._browser.post("/admin/login/", username="admin", password=self.password, next="/admin/")
        return "Log out" in welcome.text

    def _form(self, pk: int) -> dict[str, str]:
        form = _Form()
        form.feed(self._browser.get(f"/admin/faq/entry/{pk}/change/").text)
        # A textarea's first line end is not part of it.
        return {name: value.removeprefix("\n") for name, value in form.fields.items()}

    def _edit_on(self) -> None:
        for version in count(1):
            for name, pk in self.entries.items():
                if self._ended.is_set():
                    return
                if self._saved(name, pk, version):
                    self.acknowledged[name] = version
                time.sleep(0.2)

    def _saved(self, name: str, pk: int, version: int) -> bool:
        fields: dict[str, Any] = self._forms[name] | {"answer": f"Version {version} of {name}."}
        fields["csrfmiddlewaretoken"] = self._browser.token()
        address = f"{self.address}/admin/faq/entry/{pk}/change/"
        try:
            reply = self._browser.send(Request(address, urlencode(fields).encode(), {"Referer": address}))
        except (OSError, HTTPException):
            self.refusals.append((0, ""))
            return False
        if reply.status == 200 and "was changed successfully" in reply.text:
            return True
        self.refusals.append((reply.status, "Nothing was saved" if "Nothing was saved" in reply.text else reply.text))
        return False
