"""One writer at a time in a data home: `crypto` and plain `dbt` commands that build wait for one another.

A build asks the lake what is new before it writes what follows from the answer; rows that another command lands or
screens in between could count twice. The operating system drops the lock when its holder ends, however it ends.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lakehouse.settings import Settings

WAITING = "Another run is at work in this data home; waiting for it to end ..."


def to_stderr(text: str) -> None:
    """Print a line that is no part of what a command puts out."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def exclusive(settings: Settings, say: Callable[[str], None] = to_stderr) -> Iterator[None]:
    """Let one run at a time work in a data home; a second one says that it waits."""
    with settings.writing_home():
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = (settings.home / "run.lock").open("a")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(WAITING)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
