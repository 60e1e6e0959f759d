"""The addresses of the public door."""

from __future__ import annotations

from django.urls import path, re_path, register_converter

from rag.chat import pages, views


class ExternalId:
    """Whatever an import may have brought, slashes too; never NUL, which no database column holds."""

    regex = r"[^\x00]+?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ExternalId, "external_id")

urlpatterns = [
    path("", pages.home, name="home"),
    path("entries/<external_id:external_id>/", pages.entry, name="entry"),
    path("api/chat/", views.chat, name="chat"),
    path("api/chat", views.chat),  # a POST cannot follow a redirect to the slash
    path("api/chat/<uuid:answer_id>/feedback/", views.feedback, name="feedback"),
    path("api/openapi.json", views.openapi_document, name="openapi"),
    re_path(r"^api(/|$)", views.nothing_here),
]
