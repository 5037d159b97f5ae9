"""A rebuild of silver and gold, and a run with 1,000 new trades, at several sizes, compared with simple jobs.

Run ``python -m benchmarks.rebuild`` on an otherwise idle machine, or with ``--sizes 100000`` for the short form. Each
size has a separate home in a temporary folder, whose engine is started before the measurement. The simple jobs
(plain_spark.py, plain_duckdb.py) read the same files but guarantee nothing: no total order, no tests, no late data.
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
    parser.add_argument("--sizes", default=SIZES, help="numbers of trades, separated by commas")
    sizes = [int(size) for size in parser.parse_args().sizes.split(",")]
    print(table([measure(size) for size in sizes]))


def measure(trades: int) -> Figures:
    """Measure one size in a temporary folder."""
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
            models = dbt(home, *BUILD)
            new, again = (build_news(home, seed) for seed in (7, 8))
            return Figures(trades, landed, models, new, again, plain_spark, plain_duckdb, engine_gib(home))
        finally:
            crypto(home, "engine", "stop")
            crypto(home, "postgres", "stop")
    finally:
        shutil.rmtree(folder)


def build_news(home: Path, seed: int) -> float:
    """Land and build 1,000 new trades; return the seconds."""
    generate_news(home, seed)
    return crypto(home, "ingest") + dbt(home, *BUILD)


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
        "| trades | landing, s | models, s | plain PySpark, s | ratio | plain DuckDB, s | 1,000 new trades, s (next) "
        "| share of a rebuild | engine, GiB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in figures:
        lines.append(
            f"| {row.trades:,} | {row.landing:.1f} | {row.models:.1f} | {row.plain_spark:.1f} "
            f"| {(row.landing + row.models) / row.plain_spark:.2f} | {row.plain_duckdb:.1f} "
            f"| {row.new:.1f} ({row.again:.1f}) | {row.again / (row.landing + row.models):.2f} | {row.engine_gib:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
