"""How spans of time are said."""

from __future__ import annotations


def spoken(seconds: float) -> str:
    """A span as one says it: 0.4 s, 12 s, 3 min, 2 h 5 min, 3 days."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 36 else f"{round(hours / 24)} days"
