"""One writer at a time in a data home: `crypto` and plain `dbt` commands that build wait for one another.

A build asks the lake what is new before it writes what follows from the answer; rows that another command lands or
screens in between could count twice. The operating system drops the lock when its holder ends, however it ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lakehouse import engine
from lakehouse.errors import CryptoError, to_stderr
from lakehouse.settings import Settings

WAITING = "Another run is at work in this data home; waiting for it to end ..."


@contextmanager
def exclusive(settings: Settings, say: Callable[[str], None] = to_stderr) -> Iterator[None]:
    """Let one command at a time write in a data home; a second one reports that it waits.

    A command that was killed, or interrupted, may have left a statement running in the engine, which would write into
    the lake beside the next command. The lock file then still holds its mark, and the engine is replaced.
    """
    with settings.writing_home():
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = (settings.home / "run.lock").open("a+")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(WAITING)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read():
            engine.stop(settings)
        lock.truncate(0)
        lock.write("at work")
        lock.flush()
        try:
            yield
        except (CryptoError, SystemExit):
            lock.truncate(0)
            raise
        lock.truncate(0)
