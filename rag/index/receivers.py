"""An edit is followed by the index: a job is written with it, and enqueued after the commit."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save

from faq.models import Entry


def connect() -> None:
    from faq.signals import entries_changed

    post_save.connect(follow, sender=Entry, dispatch_uid="rag.follow.save")
    post_delete.connect(follow, sender=Entry, dispatch_uid="rag.follow.delete")
    entries_changed.connect(follow, sender=Entry, dispatch_uid="rag.follow.bulk")


def follow(*, instance: Entry | None = None, **_: Any) -> None:
    """A draft that was never indexed concerns nobody; everything else does."""
    from rag.index import jobs
    from rag.models import Embedding

    concerned = instance is None or instance.status == Entry.Status.PUBLISHED
    if concerned or Embedding.objects.filter(entry_id=instance.pk).exists():  # type: ignore[union-attr]  # concerned where there is none
        jobs.follow_up()
