"""Production's rehearsal: the same parts, and the same rules but for those of `console.environment.rules`."""

from __future__ import annotations

from console.environment import expect
from console.settings.base import env
from console.settings.production import *  # noqa: F403  # settings are all of them

expect("staging")
# Without HTTPS its cookies must still arrive; production's never leave HTTPS.
SESSION_COOKIE_SECURE = env.SECURE_SSL_REDIRECT
CSRF_COOKIE_SECURE = env.SECURE_SSL_REDIRECT
