"""Paths that delta-rs can open: a folder of links for a table whose own path it would misread.

delta-rs decodes a local path once more than it should, and takes parts of it for those of an address: below
``feature%2Fcandles`` it looks into ``feature/candles``, and it resolves a link to a folder. Links to the files are left
as they are.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

MISREAD = re.compile(r"[%\\#?]")
_linking = threading.Lock()


def is_misread(path: Path) -> bool:
    """Return whether delta-rs looks for this path in another place."""
    return bool(MISREAD.search(str(path)))


def readable(table: Path) -> Path:
    """Return a folder by which delta-rs can read a table: the table's own, or one of links that lasts as this process.

    Only the log can be written there, which is one of the links: data files would stay in the folder of links.
    """
    if not is_misread(table):
        return table
    folder = _links() / re.sub(r"[^A-Za-z0-9_]", "_", f"{table.parent.name}_{table.name}_{hash(table)}")
    # dbt's threads read the same tables.
    with _linking:
        folder.mkdir(exist_ok=True)
        known = {link.name for link in folder.iterdir()}
        for entry in table.iterdir():
            if entry.name not in known:
                (folder / entry.name).symlink_to(entry)
    return folder


@lru_cache
def _links() -> Path:
    system = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="crypto-lakehouse-", dir="/tmp" if MISREAD.search(system) else system)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
