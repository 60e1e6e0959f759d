"""A Django project of one view, which reads the session and the cache once: for Gunicorn, as the product runs in it."""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["REDIS_URL"]}},
    LOGGING_CONFIG=None,
)
django.setup()


def view(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"seen": request.session.get("seen"), "kept": cache.get("kept")})


def begin(request: HttpRequest) -> JsonResponse:
    """Leaves a session and something in the cache, to be read by the other."""
    request.session["seen"] = 1
    cache.set("kept", "x" * 500)
    return JsonResponse({})


urlpatterns = [path("", view), path("begin", begin)]
application = get_wsgi_application()
