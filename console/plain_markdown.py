"""Markdown of our own files as HTML: no markup of its own gets through, and no link but a plain one."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt


def as_html(text: str) -> SafeString:
    """Without the first heading, which is the page's title; `other.md` leads to that runbook's page."""
    body = text.partition("\n")[2] if text.startswith("# ") else text
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(body)
    for token in (child for block in tokens for child in block.children or []):
        href = str(token.attrGet("href") or "")
        if token.type == "link_open" and href.endswith(".md") and "/" not in href:
            token.attrSet("href", f"../{href.removesuffix('.md')}/")
    html: str = reader.renderer.render(tokens, reader.options, {})
    return mark_safe(html)  # noqa: S308  # HTML in the text was escaped by the reader
