"""How a container starts: `python -m console.start web|worker|migrate`."""

from __future__ import annotations
