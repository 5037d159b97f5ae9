"""The process that owns the engine's server process: ``python -I keeper.py FOLDER MINUTES``.

It reads ``{"command": [...], "environment": {...}, "state": {...}}`` from standard input, starts the command, and
writes ``engine.json``: the state and the ids of both processes. It stops the server when no process has held
``in_use.lock`` for so many minutes, or when ``engine.json`` is gone.
Standard library only: it lives as long as the engine and must stay small.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 1.0
STOP_SECONDS = 20


def main(folder: Path, idle_minutes: float) -> None:
    """Start the server, watch it and its users, and stop it when it is no longer needed."""
    order = json.load(sys.stdin)
    log = (folder / "engine.log").open("w")
    server = subprocess.Popen(
        order["command"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        env=os.environ | order["environment"],
    )
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    state = folder / "engine.json"
    write(state, {"keeper": os.getpid(), "server": server.pid} | order["state"])
    last_used = time.monotonic()
    while server.poll() is None:
        if not state.exists() or time.monotonic() - last_used > idle_minutes * 60:
            server.terminate()
            break
        if is_in_use(folder / "in_use.lock"):
            last_used = time.monotonic()
        time.sleep(POLL_SECONDS)
    try:
        server.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def write(state: Path, values: dict[str, Any]) -> None:
    """Write the engine's state file in one step, so that no reader sees half of it."""
    fresh = state.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_text(json.dumps(values))
    fresh.replace(state)


def is_in_use(lock: Path) -> bool:
    """Return whether any process holds the shared lock."""
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
