"""Production's settings with one small app, for starts by the hundred."""

from __future__ import annotations

from console.settings.production import *  # noqa: F403  # settings are all of them

INSTALLED_APPS = ["tests.properties.small"]
ROOT_URLCONF = "tests.properties.small.urls"
TEMPLATES = []
