"""Scratch folders in the data home, for files that are not finished yet."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.settings import Settings

# A killed client's statement can still be reading its staged files; after this time it has certainly ended.
STALE_SECONDS = 3600


@contextmanager
def folder(settings: Settings) -> Iterator[Path]:
    """Yield the path of a new folder in the data home and remove it afterwards; also remove folders of killed runs."""
    parent = settings.home / "staging"
    for old in parent.glob("*"):
        if old.stat().st_mtime < time.time() - STALE_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    new = parent / uuid.uuid4().hex
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
