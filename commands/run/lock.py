"""The lock that allows one writer at a time in a data home, be it a `crypto` or a plain `dbt` command.

A build first reads which rows are new and then writes results that depend on them, so rows that another command lands
or screens in between could be counted twice. The lock is the operating system's, which also releases it after a kill.
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
def exclusive(
    settings: Settings, say: Callable[[str], None] = to_stderr, *, uses_engine: bool = True
) -> Iterator[None]:
    """Hold the data home's lock; if another command holds it, report that with ``say`` and wait.

    A killed or interrupted command can leave a statement running in the engine, which would write at the same time as
    the next command. Its text then remains in the lock file, and the next command stops the engine first. A command
    that does not use the home's engine leaves nothing behind.
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
        if uses_engine:
            lock.write("at work")
            lock.flush()
        try:
            yield
        except (CryptoError, SystemExit):
            lock.truncate(0)
            raise
        lock.truncate(0)
