"""Commands of the project, run as a user runs them."""

import os
import subprocess
from pathlib import Path

from support.isolation import no_settings


def runner(home: Path):
    """Return a function that runs a shell command in a copy of the project, on a data home."""

    def run(copy: Path, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=copy,
            env=os.environ | no_settings() | {"CRYPTO_HOME": str(home), "CRYPTO_ENGINE_IDLE_MINUTES": "2"},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
