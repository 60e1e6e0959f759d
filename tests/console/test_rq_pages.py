"""RQ brings pages on which any staff member could empty a queue: they are not there."""

from __future__ import annotations

import subprocess
import sys

from tests.servers import PROJECT

LOOK = """
import django
django.setup()
from django.urls import get_resolver
from django.conf import settings
print("django_rq" in settings.INSTALLED_APPS, any("rq" in str(one) for one in get_resolver().reverse_dict))
from django.contrib import admin
admin.autodiscover()
print([model.__module__ for model in admin.site._registry if "rq" in model.__module__])
"""


def test_with_redis_configured_there_is_no_page_of_its_own() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=PROJECT,
        env={
            "PATH": "/usr/bin:/bin",
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "REDIS_URL": "redis://127.0.0.1:9/0",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.split("\n")[:2] == ["True False", "[]"], ran.stderr
