"""How the console looks: its name, its colours, its sidebar, and which environment it is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

COLOURS = {"development": "info", "staging": "warning", "production": "danger"}


def environment_badge(request: HttpRequest) -> list[str]:
    """Which environment this is, in a colour that warns where it is the real one."""
    return [settings.DJANGO_ENV.capitalize(), COLOURS[settings.DJANGO_ENV]]


def may(permission: str) -> Any:
    """For a sidebar item: shown only to those who may open it."""
    return lambda request: request.user.has_perm(permission)


def _item(title: str, icon: str, name: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": lambda request: reverse(f"admin:{name}"),
        "permission": may(permission),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Steadfast",
    "SITE_HEADER": "Steadfast",
    "SITE_SUBHEADER": "A control plane for answers",
    "SITE_SYMBOL": "forum",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("chat/icon.svg")}],
    "SITE_URL": "/",
    "LOGIN": {"form": "console.login.LoginForm"},
    "ENVIRONMENT": "console.unfold.environment_badge",
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/console.js"), lambda request: static("console/keys.js")],
    "GLOBAL_CALLBACK": "console.admin.banner.everywhere",
    "DASHBOARD_CALLBACK": "console.admin.dashboard.dashboard",
    "COMMAND": {"search_callback": "console.palette.search"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": [
            {
                "items": [
                    {"title": "Dashboard", "icon": "space_dashboard", "link": lambda request: reverse("admin:index")},
                ],
            },
            {
                "title": "Content",
                "items": [
                    _item("Entries", "quiz", "faq_entry_changelist", "faq.view_entry"),
                    _item("Categories", "category", "faq_category_changelist", "faq.view_category"),
                ],
            },
            {
                "title": "Answers",
                "separator": True,
                "items": [
                    _item("Misses", "help_center", "rag_missgroup_changelist", "rag.view_missgroup"),
                    _item("Receipts", "receipt_long", "rag_receipt_changelist", "rag.view_receipt"),
                    _item("Playground", "science", "playground", "rag.view_receipt"),
                    _item("Cases", "checklist", "rag_case_changelist", "rag.view_case"),
                ],
            },
            {
                "title": "Operations",
                "separator": True,
                "items": [
                    _item("Index", "hub", "rag_generation_changelist", "rag.view_generation"),
                    _item("Jobs", "work_history", "rag_job_changelist", "rag.view_job"),
                    {"title": "Health", "icon": "vital_signs", "link": lambda request: reverse("admin:health")},
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _item("Users", "person", "auth_user_changelist", "auth.view_user"),
                    _item("Groups", "group", "auth_group_changelist", "auth.view_group"),
                    _item("Audit log", "policy", "console_auditevent_changelist", "console.view_auditevent"),
                ],
            },
        ],
    },
    # The chat page's green, from its lightest to its darkest.
    "COLORS": {
        "primary": {
            "50": "oklch(97.8% .015 182)",
            "100": "oklch(94.5% .04 182)",
            "200": "oklch(89.5% .07 182)",
            "300": "oklch(83.5% .095 182)",
            "400": "oklch(76% .105 182)",
            "500": "oklch(63% .098 182)",
            "600": "oklch(48.5% .08 182)",
            "700": "oklch(43.5% .072 182)",
            "800": "oklch(38% .06 182)",
            "900": "oklch(33% .05 182)",
            "950": "oklch(24% .04 182)",
        }
    },
}
