"""CCXT in an environment of its own, fetched when an exchange's API is first asked.

It is a folder that no other program has on its path, because CCXT pins versions that the project's lock excludes. What
is in it is checked against the hashes of requirements/ccxt.txt.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lakehouse.errors import CryptoError
from market_data.fetch import download

LOCK = "requirements/ccxt.txt"
PROGRAM = Path(__file__).with_name("ccxt_program.py")


def folder(project: Path) -> Path:
    """Return the environment's folder; another lock has another one."""
    digest = hashlib.sha256((project / LOCK).read_bytes()).hexdigest()
    return Path(sys.prefix) / "share" / "crypto-lakehouse" / f"ccxt-{digest[:12]}"


def fetch(project: Path, say: Callable[[str], None]) -> Path:
    """Return the folder, fetched if it is missing, saying so first; CryptoError if it can't be had."""
    there = folder(project)
    if there.is_dir():
        return there
    say("An exchange's API is asked for the first time: fetching CCXT (about 30 MB, once) ...")
    # The folder gets its name when it is whole.
    new = there.with_name(f"{there.name}.{os.getpid()}")
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--require-hashes"]
    command += ["--compile-bytecode", "--python", sys.executable]
    command += ["--target", str(new), "--requirement", str(project / LOCK)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["uv said nothing"]
            raise CryptoError(
                f"{LOCK} could not be installed ({lines[-1].strip()}); check the network and run it again."
            )
        # Another command may have been first.
        if not there.is_dir():
            new.replace(there)
        for old in there.parent.glob("ccxt-*"):
            # One with a dot is being installed.
            if old != there and "." not in old.name:
                shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return there


def start(there: Path) -> subprocess.Popen[str]:
    """Start the program that asks exchanges; it sees CCXT and Python's own modules, and nothing of the project."""
    environment = os.environ | {"PYTHONPATH": str(there)}
    if authorities := download.authorities():
        # CCXT looks for the authorities here only.
        environment["REQUESTS_CA_BUNDLE"] = authorities
    return subprocess.Popen(
        [sys.executable, "-S", "-P", str(PROGRAM)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
