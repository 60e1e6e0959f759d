"""The probes: does this process live, and may it be sent requests?"""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness. Touches nothing, so that no outage behind it can have the process restarted."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness. The database and its migrations decide; the reason never quotes an exception."""
    checks = {"database": "ok", "migrations": "ok"}
    try:
        pending = _pending()
        if pending:
            checks["migrations"] = f"{pending} to apply: run manage.py migrate"
    except DatabaseError:
        checks = {"database": "not reachable", "migrations": "unknown"}
    ready = set(checks.values()) == {"ok"}
    return JsonResponse({"status": "ok" if ready else "failed", "checks": checks}, status=200 if ready else 503)


def _pending() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
