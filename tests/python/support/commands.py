"""Commands of the project, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

from support.isolation import no_settings
from support.project import PROJECT

CRYPTO, DBT = (Path(sys.prefix) / "bin" / name for name in ("crypto", "dbt"))


def run_command(*arguments: str, program: Path = CRYPTO, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository, with the settings given and none of a user's."""
    return subprocess.run(
        [program, *arguments],
        env=os.environ | no_settings() | given,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def error_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed command said, which must be one line without a trace."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


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
