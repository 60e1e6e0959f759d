"""Pages of the console that belong to no model: their addresses, and how they are shown.

`@page("health/", "health")` on a view puts it under `/admin/health/` as `admin:health`, for staff only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

View = Callable[..., HttpResponse]
PAGES: list[URLPattern] = []
admin.site.extra_urls = lambda: PAGES  # type: ignore[attr-defined]  # Unfold asks for them


def page(route: str, name: str) -> Callable[[View], View]:
    def added(view: View) -> View:
        PAGES.append(path(route, admin.site.admin_view(view), name=name))
        return view

    return added


def shown(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name  # type: ignore[attr-defined,unused-ignore]  # Django reads it
    return TemplateResponse(request, template, admin.site.each_context(request) | context)
