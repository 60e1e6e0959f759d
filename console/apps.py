"""The console as a Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    name = "console"
    label = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        from console import audit, health_record, roles
        from monitoring import frame, traffic

        audit.connect()
        health_record.connect()
        traffic.connect()
        frame.one_class_of_cursors()
        post_migrate.connect(roles.establish, sender=self, dispatch_uid="console.roles")
