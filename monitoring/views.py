"""The probes: does this process live, and may it be sent requests?"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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
