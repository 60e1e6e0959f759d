"""django-prometheus's counts: of requests, with labels that no asker can choose, and of queries at less expense."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest
from django_prometheus.db import common
from django_prometheus.middleware import PrometheusAfterMiddleware

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class BoundedLabels(PrometheusAfterMiddleware):  # type: ignore[misc]  # untyped
    """The library takes the method of a request as it came: each that somebody makes up would be a series for ever."""

    def label_metric(self, metric: Any, request: HttpRequest, response: Any = None, **labels: str) -> Any:
        if labels.get("method", "GET") not in METHODS:
            labels["method"] = "other"
        return super().label_metric(metric, request, response=response, **labels)


def one_class_of_cursors() -> None:
    """The library makes a class for each query, which is the costliest part of it, and garbage in a circle."""
    if not hasattr(common.ExportingCursorWrapper, "cache_info"):
        common.ExportingCursorWrapper = cache(common.ExportingCursorWrapper)
