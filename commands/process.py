"""How a command ends: with an exit code of ours, and in one sentence, whatever has happened."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lakehouse.errors import CryptoError, first_line, mask, to_stderr

INTERRUPTED = 130
FULL = re.compile("No space left on device|os error 28|could not write init file")
SHARED_MEMORY, ENOUGH_SHARED_MEMORY = "/dev/shm", 2**23


def run(program: Callable[[], object]) -> NoReturn:
    """Run a program and end the process: with its own exit code, 1 after an error, 130 after Ctrl-C."""
    code: object = 0
    try:
        program()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException as error:
        # A native library's panic is no Exception.
        code = sentence(error)
    if isinstance(code, str):
        to_stderr(code)
        code = 1
    leave(int(code) if isinstance(code, int) else 0)


def leave(code: int) -> NoReturn:
    """End the process at once: threads of native libraries, taken down one by one, sometimes abort it instead."""
    # What was said must not be lost if an exit function of a native library aborts the process.
    _flush()
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # The reader of a pipe may have left.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def sentence(error: BaseException) -> str:
    """Return what a user reads of an error; of one that names no way out of a full disk, where there is no room."""
    text = mask(str(error))
    if FULL.search(text) and "make room" not in text:
        with contextlib.suppress(OSError):
            if (room := shutil.disk_usage(SHARED_MEMORY).total) < ENOUGH_SHARED_MEMORY:
                return f"{SHARED_MEMORY} has only {room // 1024} KiB; enlarge it, as with `docker run --shm-size=256m`."
        home = os.environ.get("CRYPTO_HOME") or "the data home"
        return f"The disk of {home} or of temporary files is full ({first_line(error)}); make room and run again."
    return text if isinstance(error, CryptoError) else unexpected(error)


def unexpected(error: BaseException) -> str:
    """Return a sentence for an error that no caller has caught; unless it is a known one, its trace is written down."""
    with contextlib.suppress(Exception):
        from lakehouse import engine_errors, settings

        if known := engine_errors.explain(settings.load(), error):
            return known
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    what = f"{type(error).__name__}: {first_line(error)}"
    home = Path(os.environ.get("CRYPTO_HOME") or tempfile.gettempdir())
    trace = mask("".join(traceback.format_exception(error)))
    try:
        path = _write(home if home.is_dir() else Path(tempfile.gettempdir()), trace)
    except OSError:
        return f"`{command}` failed at something unforeseen ({what}); run it again with --debug for the trace."
    return (
        f"`{command}` failed at something unforeseen ({what}). The trace is in {path}, the servers' logs are in "
        f"{home}/engine and {home}/postgres; please report it with these in an issue of the project."
    )


def _write(folder: Path, trace: str) -> Path:
    path = folder / f"error-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sys.platform} Python {sys.version.split()[0]}\n{trace}")
    return path
