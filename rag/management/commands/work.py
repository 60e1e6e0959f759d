"""The verb `work`: the process beside the web server that does the jobs, where Redis carries them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from rag.errors import ServiceUnavailable
from rag.index.embedding import get_embedder


class Command(BaseCommand):
    help = "Do jobs from Redis, with the scheduler and the sweep; stops gracefully on SIGTERM or Ctrl-C."

    def handle(self, **options: Any) -> None:
        from rag.index import runners

        if not settings.REDIS_URL:
            raise CommandError("REDIS_URL is not set. Without Redis the web process does the jobs itself.")
        try:
            get_embedder().embed(["ready"])
        except ServiceUnavailable as error:
            self.stderr.write(self.style.WARNING(f"The worker starts without its model. {error}"))
        runners.work_on_redis()
