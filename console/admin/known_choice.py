"""The category's field, whatever was sent in it: Django's own looks up the choice without a look at what it is."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect

LONGEST_KEY = 18  # digits of the largest number that is no trouble for a database


class KnownChoice(AutocompleteSelect):
    """What cannot be a key is no choice: the form then says what is wrong, where there was an error of ours."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        keys = [one for one in value if not one or (str(one).isdecimal() and len(str(one)) <= LONGEST_KEY)]
        return super().optgroups(name, keys or [""], attr)
