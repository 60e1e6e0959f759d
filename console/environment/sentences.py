"""Says what a variable must be, in words for the person who sets it; never what it was."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from console.environment.schema import Environment, is_secret


def sentence(error: ErrorDetails, *, from_file: bool) -> str:
    """One fault as pydantic found it: the name, the rule, the way out."""
    name = str(error["loc"][0])
    item = next((f" (item {part + 1})" for part in error["loc"][1:] if isinstance(part, int)), "")
    source = f", read from {name}_FILE," if from_file else ""
    return f"{name}{item}{source} {_rule(error)}. {_way_out(name)}"


def _rule(error: ErrorDetails) -> str:
    field = Environment.model_fields[str(error["loc"][0])]
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "string_too_long":
        return f"must have at most {error['ctx']['max_length']} characters"
    return rule_of(field)


def rule_of(field: FieldInfo) -> str:
    """The rule that a field's type states."""
    if get_origin(field.annotation) is Literal:
        return f"must be one of: {', '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "must be true or false"
    if field.annotation in {int, float}:
        return f"must be a {'whole ' if field.annotation is int else ''}number{_range(field)}"
    return "must be text in UTF-8"


def _range(field: FieldInfo) -> str:
    low = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    high = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    return f" from {low} to {high}"


def _way_out(name: str) -> str:
    if default := shown(Environment.model_fields[name].default):
        return f"Correct it, or leave it out for the default ({default})."
    return "Correct it." if is_secret(name) else "Correct it, or leave it out."


def shown(value: Any) -> str:
    """A value as it would be written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)
