"""The audit log: who did what to what, from where, and what it was before and after. Never a secret."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from console.models import AuditEvent
from console.secrecy import BLANK, blanked
from rag.chat import addresses
from rag.signals import cleaned_up

logger = logging.getLogger(__name__)
Verb = AuditEvent.Verb
Values = Mapping[str, Any]
LONGEST = 1_000  # of a text: an entry's history has the whole of it
_SECRET_NAME = re.compile(r"password|secret|token|api_?key|credential|session", re.IGNORECASE)


def record(
    request: HttpRequest | None,
    verb: str,
    target: models.Model | str = "",
    *,
    before: Values | None = None,
    after: Values | None = None,
    actor: Any = None,
) -> AuditEvent:
    """Write down what is being done, inside the caller's transaction: both happen, or neither does.

    `target` is the object, or words where there is none ("12 entries"). Of `before` and `after` only what differs
    is kept. `actor` is who did it, where that is not the request's user; without either it was the system, or
    somebody in a shell.
    """
    was, now = _differing(before or {}, after or {})
    user = actor or getattr(request, "user", None)
    event = AuditEvent(verb=verb, before=was, after=now, **_named(target))
    if user is not None and user.is_authenticated:
        event.actor, event.actor_name = user, user.get_username()
    if request is not None:
        event.address, event.request_id = addresses.whole(request), addresses.request_id(request)
    event.save(force_insert=True)
    logger.info(
        "audit: %s %s %s",
        event.actor_name or "somebody",
        verb,
        event.object_name,
        extra={"audit": event.pk, "verb": verb, "user": event.actor_name, "object": f"{event.kind} {event.object_id}"},
    )
    return event


def values_of(instance: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """These fields of it, for `before` and `after`: relations by name, lists of them sorted."""
    return {name: _value(instance, name) for name in names}


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="console.audit.in")
    user_logged_out.connect(_logged_out, dispatch_uid="console.audit.out")
    user_login_failed.connect(_login_failed, dispatch_uid="console.audit.failed")
    cleaned_up.connect(_forget_the_oldest, dispatch_uid="console.audit.cleaned_up")


def _forget_the_oldest(**_: object) -> None:
    """Past AUDIT_DAYS, where there is such a limit."""
    if settings.AUDIT_DAYS:
        AuditEvent.objects.filter(at__lt=timezone.now() - timedelta(days=settings.AUDIT_DAYS)).delete()


def _named(target: models.Model | str) -> dict[str, str]:
    if isinstance(target, str):
        return {"object_name": _shortened(str(blanked(target)), 300)}
    return {
        "kind": target._meta.label_lower,
        "object_id": str(target.pk or "")[:64],
        "object_name": _shortened(str(blanked(str(target))), 300),
    }


def _value(instance: models.Model, name: str) -> Any:
    field = instance._meta.get_field(name)
    if field.many_to_many:
        return sorted(map(str, getattr(instance, name).all())) if instance.pk else []
    if field.is_relation:
        return str(getattr(instance, name) or "")
    return getattr(instance, name)


def _differing(before: Values, after: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return _kept(before, names), _kept(after, names)


def _kept(values: Values, names: Iterable[str]) -> dict[str, Any]:
    """Fit for JSON, without secrets, and no longer than a person reads."""
    return {name: BLANK if _SECRET_NAME.search(name) else _plain(values[name]) for name in names if name in values}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _shortened(str(blanked(value)), LONGEST)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _kept(value, value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return blanked(value)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _logged_in(*, request: HttpRequest, user: Any, **_: Any) -> None:
    record(request, Verb.LOGIN, user, actor=user)


def _logged_out(*, request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        record(request, Verb.LOGOUT, user, actor=user)


def _login_failed(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """A name that no account bears is not kept: it may be a password, typed into the wrong field."""
    model = get_user_model()
    name = str(credentials.get(model.USERNAME_FIELD, ""))
    known = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    record(request, Verb.LOGIN_FAILED, known or "an unknown name")
