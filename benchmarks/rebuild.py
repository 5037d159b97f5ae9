"""A rebuild of silver and gold, and a run with 1,000 new trades, at several sizes, compared with simple jobs.

Run ``python -m benchmarks.rebuild`` on an otherwise idle machine, or with ``--sizes 100000`` for the short form. Each
size and engine has a separate home in a temporary folder, whose engine is started before the measurement. The simple
jobs (plain_spark.py, plain_duckdb.py) read the same files but guarantee nothing: no total order, no tests, no late
data.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import PROJECT, crypto, dbt, generate_news, run
from lakehouse.engine import jars

SIZES = "100000,1000000,10000000"
# Silver and gold, without tests and sync.
BUILD = ["run", "--select", "silver", "gold"]


@dataclass(frozen=True)
class Figures:
    """Seconds and peak memory at one size; ``new`` is the first run with 1,000 new trades, ``again`` the second."""

    trades: int
    target: str
    landing: float
    models: float
    new: float
    again: float
    engine_gib: float
    plain_spark: float
    plain_duckdb: float


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=SIZES, help="numbers of trades, separated by commas")
    parser.add_argument("--targets", default="local,spark", help="dbt's targets, which choose the engine")
    arguments = parser.parse_args()
    figures: list[Figures] = []
    for size in arguments.sizes.split(","):
        figures += measure(int(size), arguments.targets.split(","))
    print(table(figures))


def measure(trades: int, targets: list[str]) -> list[Figures]:
    """Measure one size in a temporary folder, first the simple jobs and then each engine."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        landing = folder / "trades"
        files = str(max(2, trades // 500_000))
        crypto(folder, "generate", "--trades", str(trades), "--files", files, "--to", str(landing))
        plain_duckdb = peer("plain_duckdb", landing, folder / "duckdb")
        plain_spark = peer("plain_spark", landing, folder / "spark")
        return [
            Figures(trades, target, *build(folder / target / "home", landing, target), plain_spark, plain_duckdb)
            for target in targets
        ]
    finally:
        shutil.rmtree(folder)


def build(home: Path, landing: Path, target: str) -> tuple[float, float, float, float, float]:
    """Build a new home; return the seconds of landing, models and two runs with new trades, and the engine's GiB."""
    (home / "landing").mkdir(parents=True)
    shutil.copytree(landing, home / "landing" / "trades")
    crypto(home, "engine", "start", "--target", target)
    crypto(home, "postgres", "start")
    try:
        landed = crypto(home, "ingest", "--target", target)
        models = dbt(home, *BUILD, "--target", target)
        new, again = (build_news(home, seed, target) for seed in (7, 8))
        return landed, models, new, again, engine_gib(home)
    finally:
        crypto(home, "engine", "stop")
        crypto(home, "postgres", "stop")


def build_news(home: Path, seed: int, target: str) -> float:
    """Land and build 1,000 new trades; return the seconds."""
    generate_news(home, seed)
    return crypto(home, "ingest", "--target", target) + dbt(home, *BUILD, "--target", target)


def peer(module: str, landing: Path, folder: Path) -> float:
    """Run a simple job; return the seconds that it prints."""
    # Classic PySpark is not installed: target `spark` fetches it, to a folder of its own.
    jars.fetch(PROJECT, print)
    command = [sys.executable, "-m", f"benchmarks.{module}", landing, folder]
    return float(run(command, folder, PYTHONPATH=str(jars.wheels()))[1].split()[-1])


def engine_gib(home: Path) -> float:
    """Return the engine's peak memory in GiB, from Linux' /proc."""
    server = json.loads((home / "engine" / "engine.json").read_text())["server"]
    status = Path(f"/proc/{server}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024**2


def table(figures: list[Figures]) -> str:
    """Return the figures as a Markdown table, with ratios to the simple jobs."""
    lines = [
        "| trades | target | landing, s | models, s | plain PySpark, s | ratio | plain DuckDB, s | ratio "
        "| 1,000 new trades, s (next) | share of a rebuild | engine, GiB |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in figures:
        rebuild = row.landing + row.models
        lines.append(
            f"| {row.trades:,} | `{row.target}` | {row.landing:.1f} | {row.models:.1f} "
            f"| {row.plain_spark:.1f} | {rebuild / row.plain_spark:.2f} "
            f"| {row.plain_duckdb:.1f} | {rebuild / row.plain_duckdb:.1f} "
            f"| {row.new:.1f} ({row.again:.1f}) | {row.again / rebuild:.2f} | {row.engine_gib:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
