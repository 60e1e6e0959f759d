"""The environment on paper: the state of each variable, and an example file with all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from console.environment.schema import SECTIONS, Environment, is_secret
from console.environment.sentences import shown

EXAMPLE_HEAD = """\
# Every environment variable of Steadfast, at its default. Written by: python -m console.environment --example
#
# Remove the # before a line to set it. Each may also be given as a file: NAME_FILE=/run/secrets/name.
# An empty value is the same as none. `python -m console.environment` says what is set, and what is wrong.
"""
WIDTH = 110


def table(environment: Environment, environ: Mapping[str, str]) -> str:
    """Name, where it comes from, and its value unless it is a secret."""
    rows = [("variable", "from", "value"), *_rows(environment, environ)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "".join(
        f"{name:<{widths[0]}}  {origin:<{widths[1]}}  {value}".rstrip() + "\n" for name, origin, value in rows
    )


def _rows(environment: Environment, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in Environment.model_fields:
        value = getattr(environment, name)
        origin = _origin(name, environ)
        if is_secret(name):
            yield name, origin, "(secret)" if value else ""
        else:
            yield name, origin, shown(value)


def _origin(name: str, environ: Mapping[str, str]) -> str:
    if environ.get(name, "").strip():
        return "set"
    return "file" if environ.get(f"{name}_FILE", "").strip() else "default"


def example() -> str:
    """The text of `.env.example`."""
    parts = [EXAMPLE_HEAD]
    for section in SECTIONS:
        parts.append(f"\n# --- {section.__doc__} ---\n")
        for name, field in section.model_fields.items():
            meaning = textwrap.fill(field.description or "", WIDTH, initial_indent="# ", subsequent_indent="# ")
            parts.append(f"\n{meaning}\n#{name}={shown(field.default)}\n")
    return "".join(parts)
