"""How the console's templates write numbers and spans."""

from __future__ import annotations

from django import template

from console.spans import spoken as spoken_seconds

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


@register.filter
def spoken(seconds: float) -> str:
    return spoken_seconds(seconds)


@register.filter
def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


@register.filter
def found(counts: dict[str, int]) -> str:
    """The findings of a scan in words."""
    words = [f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items() if count]
    return ", ".join(words) or "clean"


@register.filter
def floored(percent: float) -> str:
    """99.97 as 99.9: a hundred is said only of all."""
    return f"{int(percent * 10) / 10:.1f}".removesuffix(".0")


@register.filter
def dashed(percent: float) -> str:
    """The length of an arc of which 100 is the whole."""
    return f"{percent:.2f}"


@register.filter
def unlocalised(number: float) -> str:
    return f"{number:.1f}"


@register.filter
def words(name: str) -> str:
    """vector_store as vector store."""
    return name.replace("_", " ")
