"""What the content tells whoever follows it, beyond Django's own signals."""

from __future__ import annotations

from django.dispatch import Signal

# Many entries were written at once, which sends no post_save. Sent with sender=Entry inside the transaction of
# the change, so receivers act on commit.
entries_changed = Signal()
