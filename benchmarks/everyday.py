"""The waiting times of a user, compared with the goals: first run, run with new trades, edit, ``status``, ``--help``.

Run ``python -m benchmarks.everyday`` on an otherwise idle machine, with ``--target spark`` for Apache Spark. The runs
are compared with dbt-duckdb, which has the same models and data tests (dbt_duckdb.py) and builds everything from the
raw files each time. It has no ledger, no sync and no checks in Postgres, so ``dbt build`` of the same nodes is measured
too.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import dbt_duckdb
from benchmarks.commands import crypto, dbt, generate_news, run

NO_UNIT_TESTS = ["--exclude-resource-types", "unit_test"]
SAME_NODES = ["--select", "silver", "gold", "--exclude", "candle_revisions", *NO_UNIT_TESTS]
EDITED = ["--select", "trading_indicators", *NO_UNIT_TESTS]
READ_REFERENCE = """
import json
from lakehouse import engine
from lakehouse import settings
spark = engine.session(settings.load())
tables = {name: spark.table(f"bronze.{name}").collect() for name in ("symbols", "exchanges")}
print(json.dumps({name: [list(row) for row in rows] for name, rows in tables.items()}))
"""
# Reads each statement that the last build ran, as the adapter does before Sail gets it.
READ_STATEMENTS = """
import sys, time
from pathlib import Path
from dbt.adapters.localspark.guard import verdicts
from lakehouse import engine, settings
found = settings.load()
spark = engine.session(found)
statements = [path.read_text() for path in Path(sys.argv[1]).rglob("*.sql")]
start = time.perf_counter()
for statement in statements:
    verdicts.verdict(found, spark, statement)
print(time.perf_counter() - start)
"""
TIMES = 3


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="local", help="dbt's target, which chooses the engine")
    target = parser.parse_args().target
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    home = folder / "home"
    try:
        print(table(measure(home, folder / "peer", ["--target", target])))
    finally:
        for server in ("engine", "postgres"):
            crypto(home, server, "stop")
        shutil.rmtree(folder)


def measure(home: Path, peer: Path, target: list[str]) -> dict[str, float]:
    """Return the seconds of each operation, in a new home with 100,000 sample trades, and the number of nodes."""
    crypto(home, "generate")
    figures = {"first": crypto(home, "run", *target), "second": run_with_news(home, 1, target)}
    figures["news"] = statistics.median(run_with_news(home, 2 + number, target) for number in range(TIMES))
    figures["nodes"] = statistics.median(build_with_news(home, 9 + number, target) for number in range(TIMES))
    figures["edit"] = statistics.median(dbt(home, "build", *EDITED, *target) for _ in range(TIMES))
    figures["status"] = statistics.median(crypto(home, "status") for _ in range(TIMES))
    figures["help"] = statistics.median(crypto(home, "--help") for _ in range(TIMES))
    if target == ["--target", "local"]:
        (home / "dbt" / "verdicts.jsonl").unlink()
        figures["guard"], figures["guard again"] = read_statements(home), read_statements(home)
    dbt(home, "compile", "--full-refresh", *target)
    figures["count"] = dbt_duckdb.write(
        home / "target" / "manifest.json", home / "landing" / "trades", reference(home), peer
    )
    build = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "build"]
    build += ["--project-dir", peer, "--profiles-dir", peer, "--target-path", peer / "target", "--log-path", peer]
    figures["peer"] = statistics.median(run(build, home)[0] for _ in range(TIMES))
    return figures


def run_with_news(home: Path, seed: int, target: list[str]) -> float:
    """Return the seconds of a ``crypto run`` with 1,000 new trades."""
    generate_news(home, seed)
    return crypto(home, "run", *target)


def build_with_news(home: Path, seed: int, target: list[str]) -> float:
    """Return the seconds of a ``dbt build`` of the nodes that dbt-duckdb has too, with 1,000 new trades in bronze."""
    generate_news(home, seed)
    crypto(home, "ingest", *target)
    return dbt(home, "build", *SAME_NODES, *target)


def reference(home: Path) -> dict[str, list[tuple]]:
    """Return the reference data that ingestion copied to bronze."""
    _, output = run([sys.executable, "-c", READ_REFERENCE], home)
    return {name: [tuple(row) for row in rows] for name, rows in json.loads(output.splitlines()[-1]).items()}


def read_statements(home: Path) -> float:
    """Return the seconds in which the guard reads the statements that dbt has run."""
    _, output = run([sys.executable, "-c", READ_STATEMENTS, home / "target" / "run"], home)
    return float(output.splitlines()[-1])


def table(figures: dict[str, float]) -> str:
    """Return the measured seconds and the goals as a Markdown table."""
    rows = [
        ("first `crypto run` of a new home, nothing running: 100,000 trades to Postgres", figures["first"], "20 s"),
        ("second `crypto run`, 1,000 new trades", figures["second"], ""),
        ("`crypto run` with 1,000 new trades, warm (median of the next three)", figures["news"], "10 s"),
        ("`dbt build` of the nodes that dbt-duckdb has too, 1,000 new trades, warm", figures["nodes"], ""),
        (f"dbt-duckdb, the same {figures['count']:.0f} models and tests, from the raw files", figures["peer"], ""),
        ("one gold model and its data tests: `dbt build --select trading_indicators`", figures["edit"], "5 s"),
        ("`crypto status`", figures["status"], "0.7 s"),
        ("`crypto --help`", figures["help"], "0.3 s"),
    ]
    if "guard" in figures:
        rows.append(("the guard, of that: each statement of a build read for the first time", figures["guard"], "1 s"))
        rows.append(("the guard, of that: the same statements again", figures["guard again"], "0 s"))
    lines = ["| what | seconds | goal |", "|---|---:|---:|"]
    lines += [f"| {what} | {seconds:.2f} | {goal} |" for what, seconds, goal in rows]
    lines.append(f"| `crypto run` with news by dbt-duckdb | {figures['news'] / figures['peer']:.1f} | |")
    lines.append(f"| the same nodes by dbt-duckdb | {figures['nodes'] / figures['peer']:.1f} | 1 |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
