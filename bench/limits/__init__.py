"""What can be reached at most: the encoder without anything around it, and Django without anything to do."""

from __future__ import annotations
