"""The probes, and the scrape."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from monitoring.collectors import exposition
from monitoring.health import Reading, State, readings


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness. Touches nothing, so that no outage behind it can have the process restarted."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness. The database and its migrations decide; whatever else is out is named, and the answer stays yes."""
    found = readings(fresh=True)
    ready = all(reading.state in {State.OK, State.DEGRADED} for reading in found if reading.check.critical)
    well = all(reading.state in {State.OK, State.OFF} for reading in found)
    status = "failed" if not ready else "ok" if well else "degraded"
    checks = {reading.check.name: _told(reading) for reading in found}
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def _told(reading: Reading) -> str:
    """The state alone: details are for those who are logged in to the console."""
    return str(reading.state)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What Prometheus asks for. Always 200: that something is down is what it says, not how."""
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
