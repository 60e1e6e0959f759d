"""The console as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"
    label = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        from monitoring import traffic

        traffic.connect()
