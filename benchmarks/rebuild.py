"""A rebuild of silver and gold, and 1,000 new trades, at several sizes, beside plain jobs on the same files.

Run on a machine with nothing else to do: ``python -m benchmarks.rebuild``, or ``--sizes 100000`` for the short form.
Each size gets a home of its own in a temporary folder, with the engine started beforehand: nobody's start of Java is
counted. The plain jobs (plain_spark.py, plain_duckdb.py) promise nothing: no exact order, no tests, no late data.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[1]
SIZES = "100000,1000000,10000000"


@dataclass(frozen=True)
class Figures:
    """Seconds and peak memory at one size; ``new`` is the first run with 1,000 new trades, ``again`` the next."""

    trades: int
    landing: float
    models: float
    new: float
    again: float
    plain_spark: float
    plain_duckdb: float
    engine_gib: float


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=SIZES, help="numbers of trades, with commas")
    sizes = [int(size) for size in parser.parse_args().sizes.split(",")]
    print(table([measure(size) for size in sizes]))


def measure(trades: int) -> Figures:
    """Measure one size in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        home = folder / "home"
        landing = home / "landing" / "trades"
        crypto(home, "generate", "--trades", str(trades), "--files", str(max(2, trades // 500_000)))
        plain_duckdb = peer("plain_duckdb", landing, folder / "duckdb")
        plain_spark = peer("plain_spark", landing, folder / "spark")
        crypto(home, "engine", "start")
        crypto(home, "postgres", "start")
        try:
            landed = crypto(home, "ingest")
            models = dbt(home)
            new, again = (news(home, seed) for seed in (7, 8))
            return Figures(trades, landed, models, new, again, plain_spark, plain_duckdb, engine_gib(home))
        finally:
            crypto(home, "engine", "stop")
            crypto(home, "postgres", "stop")
    finally:
        shutil.rmtree(folder)


def news(home: Path, seed: int) -> float:
    """Land and build 1,000 new trades of the first day, which are the latest to come."""
    crypto(home, "generate", "--trades", "1000", "--days", "1", "--files", "1", "--seed", str(seed))
    return crypto(home, "ingest") + dbt(home)


def crypto(home: Path, *arguments: str) -> float:
    """Run a command of the project; return its seconds."""
    return run([Path(sys.prefix) / "bin" / "crypto", *arguments], home)[0]


def dbt(home: Path) -> float:
    """Build silver and gold, without tests and sync; return the seconds, dbt's own start included."""
    places = ["--target-path", home / "target", "--log-path", home / "logs"]
    return run([Path(sys.prefix) / "bin" / "dbt", "run", "--select", "silver", "gold", *places], home)[0]


def peer(module: str, landing: Path, folder: Path) -> float:
    """Run a plain job; return the seconds that it counts itself."""
    return float(run([sys.executable, "-m", f"benchmarks.{module}", landing, folder], folder)[1].split()[-1])


def run(command: list, home: Path) -> tuple[float, str]:
    """Run a command to its end; return its seconds and what it said."""
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
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - started, done.stdout


def engine_gib(home: Path) -> float:
    """Return the most memory that the engine has taken, in GiB."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if "java" in (process.info["name"] or "") and str(home) in " ".join(process.info["cmdline"] or []):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 1024**2
    return float("nan")


def table(found: list[Figures]) -> str:
    """Return the figures as a table, with ratios to the plain jobs."""
    lines = [
        "| trades | landing, s | models, s | plain PySpark, s | ratio | plain DuckDB, s | 1,000 new trades, s (next) "
        "| share of a rebuild | engine, GiB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found:
        lines.append(
            f"| {row.trades:,} | {row.landing:.1f} | {row.models:.1f} | {row.plain_spark:.1f} "
            f"| {(row.landing + row.models) / row.plain_spark:.2f} | {row.plain_duckdb:.1f} "
            f"| {row.new:.1f} ({row.again:.1f}) | {row.again / (row.landing + row.models):.2f} | {row.engine_gib:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
