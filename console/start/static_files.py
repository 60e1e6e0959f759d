"""Hands the static files to the web server in front, through the folder that both see."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from django.conf import settings

logger = logging.getLogger("console.start")


def publish() -> None:
    """Copy what is new. Files of former releases stay, as pages that are open in a browser still name them."""
    source, target = Path(settings.STATIC_ROOT or "absent"), _shared()
    if target is None or not source.is_dir():
        return
    copied = sum(_copy(path, target / path.relative_to(source)) for path in sorted(source.rglob("*")) if path.is_file())
    logger.info("%d static files published in %s", copied, target)


def _shared() -> Path | None:
    """STATIC_SHARE: a volume in the container, nothing elsewhere."""
    named = os.environ.get("STATIC_SHARE", "")
    return Path(named) if named and Path(named).is_dir() and os.access(named, os.W_OK) else None


def _copy(source: Path, target: Path) -> bool:
    """By renaming, so that nobody is ever served half a file, whoever else is copying as well."""
    have = source.stat()
    if target.exists() and (target.stat().st_size, int(target.stat().st_mtime)) == (have.st_size, int(have.st_mtime)):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    shutil.copy2(source, draft)
    draft.replace(target)
    return True
