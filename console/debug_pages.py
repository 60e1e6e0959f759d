"""What Django's error pages and mails may show."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

from console.secrecy import blank


class SecretsBlanked(ExceptionReporter):
    """Django hides settings by their name; a password in REDIS_URL or in a local variable would stay."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(blank(super().get_traceback_html()))  # noqa: S308  # escaped by super

    def get_traceback_text(self) -> SafeString:
        return mark_safe(blank(super().get_traceback_text()))  # noqa: S308  # escaped by super
