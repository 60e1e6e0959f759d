"""Users and groups: who may do what. Nobody can give away more than an administrator has."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from console import audit
from console.admin.audited import Audited
from console.roles import ROLES

admin.site.unregister(User)
admin.site.unregister(Group)

ABOVE = ("is_superuser", "user_permissions")  # what only a superuser gives


@admin.register(User)
class UserAdmin(Audited, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    class Media:
        css = {"all": ("console/people.css",)}

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_staff", "last_login")
    filter_horizontal = ()
    list_filter = ("groups", "is_active", "is_staff", "is_superuser")
    audited = (
        *("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser"),
        *("groups", "user_permissions"),
    )

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **options: Any) -> Any:
        """Boxes to tick: Django's two lists beside each other are wider than the page, and nameless to a reader."""
        options["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        return super().formfield_for_manytomany(db_field, request, **options)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description="Roles")
    def roles(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        return ", ".join(["superuser"] * user.is_superuser + names) or "none"

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        given = super().get_readonly_fields(request, obj)
        return given if _is_super(request) else (*given, *ABOVE)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _within_reach(request, obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _within_reach(request, obj) and bool(super().has_delete_permission(request, obj))


@admin.register(Group)
class GroupAdmin(Audited, DjangoGroupAdmin, ModelAdmin):
    class Media:
        css = {"all": ("console/people.css",)}

    audited = ("name", "permissions")
    filter_horizontal = ()
    change_form_before_template = "console/people/group.html"

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **options: Any) -> Any:
        options["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        return super().formfield_for_manytomany(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not _is_role(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not _is_role(obj) and bool(super().has_delete_permission(request, obj))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        extra = {"is_role": _is_role(self.get_object(request, object_id))}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))


def own_password(request: HttpRequest) -> HttpResponse:
    """Django's page for one's own password, and a line in the audit log when it was set there."""
    response = admin.site.password_change(request)
    if request.method == "POST" and response.status_code == 302:  # else the form is shown again
        audit.record(request, audit.Verb.PASSWORD, cast(User, request.user))
    return response


def _is_super(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _within_reach(request: HttpRequest, user: Any) -> bool:
    """A superuser's account, its password above all, is for superusers only."""
    return _is_super(request) or not getattr(user, "is_superuser", False)


def _is_role(group: Any) -> bool:
    return getattr(group, "name", None) in ROLES
