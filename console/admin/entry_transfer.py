"""The pages by which entries come in (upload, preview, confirm) and go out (one address a format)."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import get_valid_filename
from import_export.admin import ImportExportModelAdmin
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldBooleanSwitchWidget

from console import audit
from faq.models import Entry
from faq.transfer import ImportReport, export_chunks, import_file, uploads
from faq.transfer.columns import COLUMNS, REQUIRED
from faq.transfer.errors import UnreadableFile
from faq.transfer.exporting import CONTENT_TYPES
from faq.transfer.reading import SUFFIXES
from faq.transfer.resource import EntryResource

SHOWN = 100


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text=f"CSV, XLSX or JSON, up to {uploads.LIMIT >> 20} MiB.",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ",".join(SUFFIXES)}),
        error_messages={"empty": "The file is empty: it needs a header row and at least one entry."},
    )
    publish = forms.BooleanField(
        label="Publish entries for which the file names no status",
        required=False,
        help_text="Otherwise new ones become drafts, and those that exist keep their status.",
        widget=UnfoldBooleanSwitchWidget(),
    )

    too_large = False

    def clean_file(self) -> UploadedFile[Any]:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > uploads.LIMIT:
            self.too_large = True
            raise forms.ValidationError(
                f"The file is larger than {uploads.LIMIT >> 20} MiB, the most that is taken here: split it, or have it"
                " loaded by `manage.py import_entries`, which has no such limit."
            )
        return file


class EntryTransferAdmin(ImportExportModelAdmin):
    """django-import-export's buttons, addresses and filtered queryset, before our own reading and writing."""

    resource_classes = (EntryResource,)
    import_export_change_list_template = "console/entries/change_list.html"

    def has_import_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_add_permission(request) and self.has_change_permission(request))

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request))

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export/<str:file_format>/", self.admin_site.admin_view(self.export_action), name="faq_entry_export_as"
        )
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        items = [
            {"title": kind.upper(), "path": reverse("admin:faq_entry_export_as", args=[kind]) + query}
            for kind in CONTENT_TYPES
        ]
        extra = {"export_menu": {"method_name": "export", "items": items}} | (extra_context or {})
        response: HttpResponse = super().changelist_view(request, extra)
        return response

    def export_action(self, request: HttpRequest, file_format: str = "csv") -> HttpResponseBase:
        """What the list shows with this filter, streamed. Reads only, so a plain link may ask for it."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        if file_format not in CONTENT_TYPES:
            raise Http404
        try:
            chunks = export_chunks(self.get_export_queryset(request), file_format)
            begun = chain([next(chunks, b"")], chunks)  # what cannot be written fails here, before the answer
        except IncorrectLookupParameters:
            messages.error(request, "The filter is not valid; nothing was exported.")
            return HttpResponseRedirect(_changelist())
        except ValueError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(_changelist())
        response = StreamingHttpResponse(begun, content_type=CONTENT_TYPES[file_format])
        name = f"entries-{timezone.localdate().isoformat()}.{file_format}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def import_action(self, request: HttpRequest) -> HttpResponse:
        """Upload, then the preview of what was uploaded. Nothing of the content is written here."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            try:
                upload = uploads.keep(
                    form.cleaned_data["file"], user=request.user, publish=form.cleaned_data["publish"]
                )
            except UnreadableFile as error:
                form.add_error("file", error.reason)
            else:
                return self._preview(request, upload)
        context = {"form": form, "columns": COLUMNS, "required": REQUIRED}
        return self._page(request, "import_upload", context, status=413 if form.too_large else 200)

    def process_import(self, request: HttpRequest) -> HttpResponse:
        """Confirmed (or cancelled) by a button of the preview. The file is checked anew, then written or refused."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        upload = uploads.take(request.POST.get("token", ""), user=request.user)
        if upload is None:
            messages.error(request, "This import was confirmed already, or waited too long: upload the file again.")
            return HttpResponseRedirect(reverse("admin:faq_entry_import"))
        try:
            if "cancel" in request.POST:
                messages.info(request, f"The import of {upload.name} was cancelled; nothing was written.")
                return HttpResponseRedirect(_changelist())
            with transaction.atomic():
                report = import_file(upload.path, publish=upload.publish, user=request.user, name=upload.name)
                if report.written:
                    after = {"new": report.new, "changed": report.changed, "publish": upload.publish}
                    audit.record(request, audit.Verb.IMPORTED, get_valid_filename(upload.name), after=after)
        finally:
            upload.discard()
        if report.refused:
            return self._show(request, report, upload=None)
        messages.success(request, _told(report, upload))
        return HttpResponseRedirect(_changelist())

    def _preview(self, request: HttpRequest, upload: uploads.Upload) -> HttpResponse:
        report = import_file(upload.path, publish=upload.publish, dry_run=True, user=request.user, name=upload.name)
        if report.refused or not (report.new or report.changed):
            upload.discard()
            return self._show(request, report, upload=None)
        return self._show(request, report, upload=upload)

    def _show(self, request: HttpRequest, report: ImportReport, upload: uploads.Upload | None) -> HttpResponse:
        context = {
            "report": report,
            "upload": upload,
            "counts": [
                ("New", report.new, "success"),
                ("Changed", report.changed, "info"),
                ("Unchanged", report.unchanged, "default"),
                ("Duplicate", report.duplicate, "warning"),
                ("Refused", report.refused_count, "danger"),
            ],
            "refused": report.refused[:SHOWN],
            "more_refused": max(report.refused_count - SHOWN, 0),
            "duplicates": report.duplicates[:SHOWN],
            "more_duplicates": max(report.duplicate - SHOWN, 0),
        }
        return self._page(request, "import_preview", context)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        request.current_app = self.admin_site.name
        everywhere = self.admin_site.each_context(request)
        title = {"title": "Import entries", "opts": self.opts, "changelist_url": _changelist()}
        return TemplateResponse(request, f"console/entries/{name}.html", everywhere | title | context, status=status)


def _changelist() -> str:
    return reverse("admin:faq_entry_changelist")


def _told(report: ImportReport, upload: uploads.Upload) -> str:
    drafts = Entry.objects.filter(status=Entry.Status.DRAFT).exists() and not upload.publish
    query, words = ("?status__exact=draft", "See the drafts") if drafts else ("?o=-6", "See what changed last")
    return format_html(
        'Imported {}: {}. <a href="{}" class="font-semibold underline">{}</a>',
        get_valid_filename(upload.name),
        report.summary,
        _changelist() + query,
        words,
    )
