"""Run the project's commands in a data home and measure how long they take."""

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.prefix) / "bin"


def crypto(home: Path, *arguments: str) -> float:
    """Run ``crypto`` with some arguments in a data home; return the seconds it took."""
    return run([BIN / "crypto", *arguments], home)[0]


def dbt(home: Path, *arguments: str) -> float:
    """Run dbt in a data home; return the seconds it took, including its start."""
    return run([BIN / "dbt", *arguments, "--target-path", home / "target", "--log-path", home / "logs"], home)[0]


def generate_news(home: Path, seed: int) -> None:
    """Put 1,000 trades of the first day, which thus arrive late, into the landing zone."""
    crypto(home, "generate", "--trades", "1000", "--days", "1", "--files", "1", "--seed", str(seed))


def run(command: list, home: Path, **environment: str) -> tuple[float, str]:
    """Run a command; return the seconds it took and its output. If it fails, exit with its output."""
    started = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command],
        cwd=PROJECT,
        env=os.environ | {"CRYPTO_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started, done.stdout
