"""The project's commands as the benchmarks run them: in a data home, to their end, with their seconds."""

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.prefix) / "bin"


def crypto(home: Path, *arguments: str) -> float:
    """Run a command of the project; return its seconds."""
    return run([BIN / "crypto", *arguments], home)[0]


def dbt(home: Path, *arguments: str) -> float:
    """Run dbt on the lake; return its seconds, its own start included."""
    return run([BIN / "dbt", *arguments, "--target-path", home / "target", "--log-path", home / "logs"], home)[0]


def generate_news(home: Path, seed: int) -> None:
    """Put 1,000 new trades of the first day, which are the latest to come, into the landing zone."""
    crypto(home, "generate", "--trades", "1000", "--days", "1", "--files", "1", "--seed", str(seed))


def run(command: list, home: Path) -> tuple[float, str]:
    """Run a command to its end; return its seconds and what it said; leave with what it said if it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in command],
        cwd=PROJECT,
        env=os.environ | {"CRYPTO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started, done.stdout
