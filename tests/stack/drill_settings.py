"""The product's own settings; only, a text that was embedded once on this machine is not embedded again."""

from __future__ import annotations

from console.settings.development import *  # noqa: F403  # settings are all of them

EMBEDDER = "tests.stack.remembering.RememberingEmbedder"
