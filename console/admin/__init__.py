"""The console's pages; importing this package registers them."""

from __future__ import annotations

from console.admin import answers as answers
from console.admin import audit_log as audit_log
from console.admin import breaker_acts as breaker_acts
from console.admin import cases as cases
from console.admin import categories as categories
from console.admin import dashboard as dashboard
from console.admin import entries as entries
from console.admin import generations as generations
from console.admin import health as health
from console.admin import jobs as jobs
from console.admin import misses as misses
from console.admin import people as people
from console.admin import playground as playground
