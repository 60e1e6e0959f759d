"""The content app: entries and what editors do with them."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save


class FaqConfig(AppConfig):
    name = "faq"
    verbose_name = "Content"

    def ready(self) -> None:
        from faq import text_search, versions

        entry = self.get_model("Entry")
        post_save.connect(versions.bump_after_save, sender=entry, dispatch_uid="faq.version.save")
        post_delete.connect(versions.bump_after_save, sender=entry, dispatch_uid="faq.version.delete")
        post_migrate.connect(text_search.install_after_migrate, sender=self, dispatch_uid="faq.text_search")
