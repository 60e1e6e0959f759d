"""Every address: the public door, the console, the probes."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from console.admin.people import own_password
from console.login import login

urlpatterns = [
    path("", include("monitoring.urls")),
    path("admin/login/", login),  # before the console's own, whose name and address it has
    path("admin/password_change/", admin.site.admin_view(own_password, cacheable=True)),
    path("admin/", admin.site.urls),
    path("", include("rag.chat.urls")),
]

handler400 = "rag.chat.errors.bad_request"
handler403 = "rag.chat.errors.permission_denied"
handler404 = "rag.chat.errors.not_found"
handler500 = "rag.chat.errors.server_error"
