"""Reads the environment, and tells every fault at once: name, rule, way out, never a value."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from console.environment.rules import broken_rules
from console.environment.schema import Environment, is_secret
from console.environment.sentences import sentence

INVALID = 78  # EX_CONFIG of sysexits.h: no restart cures it
LARGEST_FILE = 65_536
MEND_FILE = "Correct the path, the file or its permissions."
NAMES = tuple(Environment.model_fields)
VERBATIM = frozenset(name for name in NAMES if is_secret(name) and not name.endswith("_URL"))


class InvalidEnvironment(Exception):
    """All that is wrong with the environment, one sentence per fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def report(self) -> str:
        count = len(self.problems)
        lines = [f"  - {problem}\n" for problem in self.problems]
        return f"The environment has {count} {'fault' if count == 1 else 'faults'}:\n{''.join(lines)}"


def load(environ: Mapping[str, str] | None = None) -> Environment:
    """The environment, or InvalidEnvironment with everything that is wrong with it."""
    environ = os.environ if environ is None else environ
    given, faults = gather(environ)
    try:
        environment = _build(environ, given)
    except ValidationError as error:
        faults |= _faults(error, environ, given)
        # Those at fault stand at their default while the rest is checked: no second round of faults.
        given = {name: value for name, value in given.items() if name not in faults}
        strictest = {"DJANGO_ENV": "production"} if "DJANGO_ENV" in faults else {}
        environment = _build(environ, strictest | given)
    problems = [faults[name] for name in NAMES if name in faults]
    problems += broken_rules(environment, set(faults))
    if problems:
        raise InvalidEnvironment(problems)
    return environment


def gather(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What was given, directly or as NAME_FILE, and what could not be read; empty means not given."""
    given: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name in NAMES:
        value, path = environ.get(name, ""), environ.get(f"{name}_FILE", "")
        if value.strip() and path.strip():
            faults[name] = f"{name} and {name}_FILE are both set. Keep one of them."
            continue
        try:
            value = _content(Path(path)) if path.strip() else value
        except (OSError, ValueError):
            faults[name] = f"{name}_FILE must name a readable text file of at most 64 KiB. {MEND_FILE}"
        else:
            # A password may begin or end with a space; nothing else does.
            given |= {name: value if name in VERBATIM else value.strip()} if value.strip() else {}
    return given, faults


def _content(path: Path) -> str:
    """The text of a file; a pipe or a device could be read only once, or never end."""
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise ValueError
    return path.read_bytes().decode().removesuffix("\n").removesuffix("\r")


def _build(environ: Mapping[str, str], given: Mapping[str, str]) -> Environment:
    environment: Environment = Environment.model_validate({**_defaults(environ, given), **given})
    return environment


def _defaults(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    """Defaults that hang on something else; all others are in the schema."""
    defaults: dict[str, Any] = {"MODEL_DIR": _model_dir(environ)}
    if given.get("DJANGO_ENV", "development") == "development":
        host = given.get("HOST", "")
        hosts = dict.fromkeys(("localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host))
        defaults |= {"ALLOWED_HOSTS": ",".join(hosts), "SECURE_SSL_REDIRECT": False, "LOG_FORMAT": "text"}
    else:
        defaults |= {"QDRANT_HOST": "qdrant"}
    return defaults


def _model_dir(environ: Mapping[str, str]) -> str:
    cache = environ.get("XDG_CACHE_HOME", "")
    if not Path(cache).is_absolute():  # its specification: others are ignored
        cache = "~/.cache"
    try:
        return str(Path(cache, "steadfast", "models").expanduser())
    except RuntimeError:  # a container's user without a home
        return "data/models"


def _faults(error: ValidationError, environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    details = error.errors(include_url=False, include_input=False)
    told = [(str(detail["loc"][0]), detail) for detail in details]
    return {
        name: sentence(detail, from_file=bool(environ.get(f"{name}_FILE", "").strip()))
        for name, detail in reversed(told)
        if name in given
    }


_current: Environment | None = None


def use(environment: Environment) -> Environment:
    """From here on this is the process's environment: for tests, which must not take the shell's."""
    global _current
    _current = environment
    return environment


def current() -> Environment:
    """The process's environment; where it is not valid, its faults on standard error and the end."""
    if _current is not None:
        return _current
    try:
        return use(load())
    except InvalidEnvironment as invalid:
        stop(invalid)


def expect(*kinds: str) -> None:
    """For a settings module named directly: the rules that were checked must be those of its kind."""
    if current().DJANGO_ENV not in kinds:
        way_out = "Set it, and leave DJANGO_SETTINGS_MODULE at console.settings."
        stop(InvalidEnvironment([f"DJANGO_ENV must be {' or '.join(kinds)} for this settings module. {way_out}"]))


def stop(invalid: InvalidEnvironment) -> NoReturn:
    """Before anything listens, and without a traceback."""
    sys.stderr.write(invalid.report())
    sys.exit(INVALID)
