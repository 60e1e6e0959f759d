"""Performance as ratios, taken side by side in one run."""

from __future__ import annotations
