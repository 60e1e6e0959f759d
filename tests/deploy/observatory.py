"""The tests of the Observatory, as documented: what a page scores by its headers, cookies and scripts.

From 100; bonuses count only where the penalties leave 90 or more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.deploy.edge import Reply

HALF_A_YEAR = 15_768_000
PRIVATE = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
UNSAFE = ("http:", "ftp:", "*", "'unsafe-inline'", "'unsafe-eval'", "data:")


@dataclass(frozen=True)
class Verdict:
    test: str
    result: str
    score: int


def score(page: Reply, plain: Reply) -> tuple[int, list[Verdict]]:
    """`plain` is what the same address answers over HTTP."""
    verdicts = [
        *_policy(page),
        _cookies(page),
        _sharing(page),
        _transport(page),
        _redirection(plain),
        _referrer(page),
        _scripts(page),
        _sniffing(page),
        _framing(page),
        _resources(page),
    ]
    penalties = sum(one.score for one in verdicts if one.score < 0)
    bonuses = sum(one.score for one in verdicts if one.score > 0)
    total = 100 + penalties
    return max(0, total + bonuses if total >= 90 else total), verdicts


def directives(page: Reply) -> dict[str, list[str]]:
    pairs = (part.split() for part in _one(page, "Content-Security-Policy").split(";") if part.strip())
    return {name.lower(): values for name, *values in pairs}


def _policy(page: Reply) -> Iterator[Verdict]:
    policy = directives(page)
    if not policy:
        yield Verdict("csp", "not implemented", -25)
        return
    scripts = policy.get("script-src", policy.get("default-src", ["*"]))
    styles = policy.get("style-src", policy.get("default-src", ["*"]))
    objects = policy.get("object-src", policy.get("default-src", ["*"]))
    if any(word in scripts for word in ("'unsafe-inline'", "data:", "*", "https:", "http:")) or "*" in objects:
        yield Verdict("csp", "unsafe inline or any source", -20)
    elif "'unsafe-eval'" in scripts:
        yield Verdict("csp", "unsafe eval", -10)
    elif any(word in styles for word in UNSAFE):
        yield Verdict("csp", "unsafe inline in styles only", 0)
    elif policy.get("default-src") == ["'none'"]:
        yield Verdict("csp", "nothing unsafe, and none by default", 10)
    else:
        yield Verdict("csp", "nothing unsafe", 5)


def _cookies(page: Reply) -> Verdict:
    cookies = [cookie.lower() for cookie in page.all("Set-Cookie")]
    if not cookies:
        return Verdict("cookies", "none", 0)
    if not all("; secure" in cookie for cookie in cookies):
        return Verdict("cookies", "without secure", -20)
    sessions = [cookie for cookie in cookies if not re.match(r"[^=]*csrf", cookie)]
    if not all("; httponly" in cookie for cookie in sessions):
        return Verdict("cookies", "a session without httponly", -30)
    strict = all(re.search(r"; samesite=(lax|strict)", cookie) for cookie in cookies)
    return Verdict("cookies", "secure" + (", samesite" if strict else ""), 5 if strict else -20)


def _sharing(page: Reply) -> Verdict:
    return Verdict("cors", "universal" if "*" in page.all("Access-Control-Allow-Origin") else "restricted",
                   -50 if "*" in page.all("Access-Control-Allow-Origin") else 0)  # fmt: skip


def _transport(page: Reply) -> Verdict:
    found = re.search(r"max-age=(\d+)", _one(page, "Strict-Transport-Security"))
    if not found:
        return Verdict("hsts", "not implemented", -20)
    return Verdict("hsts", f"{found[1]} s", 0 if int(found[1]) >= HALF_A_YEAR else -10)


def _redirection(plain: Reply) -> Verdict:
    good = plain.status in {301, 302, 307, 308} and plain["Location"].startswith("https://")
    return Verdict("redirection", "to HTTPS" if good else "none", 0 if good else -20)


def _referrer(page: Reply) -> Verdict:
    value = _one(page, "Referrer-Policy")
    return Verdict("referrer policy", value, 5 if value in PRIVATE else -5 if value else 0)


def _scripts(page: Reply) -> Verdict:
    foreign = re.findall(r"<script[^>]+src=[\"']?((?:https?:)?//[^\"' >]+)", page.body.decode(errors="replace"))
    return Verdict("scripts", "from elsewhere" if foreign else "our own only", -5 if foreign else 0)


def _sniffing(page: Reply) -> Verdict:
    good = _one(page, "X-Content-Type-Options") == "nosniff"
    return Verdict("content type", "nosniff" if good else "may be guessed", 0 if good else -5)


def _framing(page: Reply) -> Verdict:
    if directives(page).get("frame-ancestors") in (["'none'"], ["'self'"]):
        return Verdict("framing", "refused by policy", 5)
    good = _one(page, "X-Frame-Options").upper() in {"DENY", "SAMEORIGIN"}
    return Verdict("framing", "refused by header" if good else "possible", 0 if good else -20)


def _resources(page: Reply) -> Verdict:
    value = _one(page, "Cross-Origin-Resource-Policy")
    return Verdict("resource policy", value, 10 if value in {"same-origin", "same-site"} else 0)


def _one(page: Reply, name: str) -> str:
    """Two of a kind count as none: a browser may take either."""
    values = page.all(name)
    return values[0] if len(values) == 1 else ""
