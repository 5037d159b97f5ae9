"""The process that owns the engine's Java process: ``python -m ingestion.engine_keeper FOLDER MINUTES``.

It reads ``{"port": ..., "command": [...]}`` from standard input, starts Java, writes ``engine.json``,
and stops Java when nobody has held ``in_use.lock`` for so many minutes, or when the folder is gone.
Standard library only: it stays small and never holds the engine up.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_SECONDS = 1.0


def main(folder: Path, idle_minutes: float) -> None:
    """Start Java, watch it and those who use it, and stop it when it is no longer wanted."""
    from ingestion.engine import Engine, write

    order = json.load(sys.stdin)
    log = (folder / "engine.log").open("w")
    java = subprocess.Popen(
        order["command"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
    )
    signal.signal(signal.SIGTERM, lambda *_: java.terminate())
    state = folder / "engine.json"
    write(state, Engine(keeper=os.getpid(), java=java.pid, port=order["port"]))
    last_used = time.monotonic()
    while java.poll() is None:
        if not state.exists() or time.monotonic() - last_used > idle_minutes * 60:
            java.terminate()
            break
        if is_in_use(folder / "in_use.lock"):
            last_used = time.monotonic()
        time.sleep(POLL_SECONDS)
    try:
        java.wait(timeout=20)
    except subprocess.TimeoutExpired:
        java.kill()


def is_in_use(lock: Path) -> bool:
    """Tell whether any process holds the shared lock."""
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
