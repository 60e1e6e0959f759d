"""The peers: each a small program as its documentation has it, run in `.venv-bench`. Nothing here is imported by us.

All answer from the same file by the same weights without a language model. They embed one text an entry, where the
product embeds two; each keeps its vectors beside this run, so that its servers need not embed the file again.
"""

from __future__ import annotations
