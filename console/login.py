"""Signing in to the console: as many tries as a person needs, and no more, for one name and from one address."""

from __future__ import annotations

import logging
import math
import unicodedata
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

from rag.chat.addresses import asker, request_id
from rag.chat.limits import seconds_to_wait

logger = logging.getLogger(__name__)

FROM_ONE_ADDRESS = 4  # times the tries at one name: an office behind one address has several people
AT_ONE_NAME = 10  # times the tries from one address: a name is never locked for its owner by one attacker alone


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # Unfold is untyped
    """Refuses before the password is looked at, so that a refusal tells nothing, not even by its time."""

    def clean(self) -> dict[str, Any]:
        wait = _seconds_to_wait(self.request, self.data.get("username", ""))
        if wait is not None:
            self.request.login_wait = wait
            minutes = math.ceil(wait / 60)
            raise ValidationError(
                f"Too many tries. Wait {minutes} minute{'' if minutes == 1 else 's'}, then try again.",
                code="rate_limited",
            )
        data: dict[str, Any] = super().clean()
        return data


def login(request: HttpRequest) -> HttpResponse:
    """The console's login page, with 429 and Retry-After where the form was refused for its number."""
    response: HttpResponse = admin.site.login(request)
    wait: int | None = getattr(request, "login_wait", None)
    if wait is not None:
        response.status_code = 429
        response["Retry-After"] = str(wait)
    return response


def _seconds_to_wait(request: HttpRequest, username: str) -> int | None:
    """None where this try may go on. Every try counts, and counts in each of the three ways."""
    name = unicodedata.normalize("NFKC", username).casefold()[:150]
    address = asker(request)
    waits = [
        seconds_to_wait(settings.RATE_LIMIT_LOGIN, "login", name, address),
        seconds_to_wait(settings.RATE_LIMIT_LOGIN, "login-from", address, times=FROM_ONE_ADDRESS),
        seconds_to_wait(settings.RATE_LIMIT_LOGIN, "login-as", name, times=AT_ONE_NAME),
    ]
    wait = max((one for one in waits if one is not None), default=None)
    if wait is None:
        return None
    enforced = bool(settings.RATE_LIMIT_ENFORCED)
    says = "rate limit refused a login" if enforced else "rate limit would refuse a login"
    logger.warning(says, extra={"request_id": request_id(request), "address": address, "retry_after": wait})
    return wait if enforced else None
