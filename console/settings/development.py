"""A laptop: no server needed, nothing to set."""

from __future__ import annotations

from pydantic import SecretStr

from console.environment import expect, use
from console.environment.secret_key import kept_secret_key
from console.settings.base import *  # noqa: F403  # settings are all of them
from console.settings.base import SECRET_KEY, env

expect("development")
if not SECRET_KEY:
    SECRET_KEY = kept_secret_key(env.DATA_DIR)
    use(env.model_copy(update={"SECRET_KEY": SecretStr(SECRET_KEY)}))  # so that it is blanked like one given
SECURE_SSL_REDIRECT = env.SECURE_SSL_REDIRECT

# Served from where they lie: no collectstatic.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
