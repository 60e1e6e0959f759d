"""What others hang their own work on."""

from __future__ import annotations

from django.dispatch import Signal

# Once a day, when what has been kept for long enough is deleted. A receiver that fails is no reason not to go on.
cleaned_up = Signal()

# A process has begun to do jobs. For what is to go on beside them, wherever they are done.
at_work = Signal()
