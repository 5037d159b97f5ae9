"""What a user waits for, beside the goals: the first run, a run with news, an edit, ``status`` and ``--help``.

Run on a machine with nothing else to do: ``python -m benchmarks.everyday``. The peer is dbt-duckdb with the same models
and data tests (dbt_duckdb.py), which builds everything from the raw files each time; it has no ingestion that
remembers, no sync and no checks in Postgres, so that ``dbt build`` of the same nodes is timed beside ``crypto run``.
"""

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import dbt_duckdb
from benchmarks.commands import crypto, dbt, generate_news, run

NO_UNIT_TESTS = ["--exclude-resource-type", "unit_test"]
LAKE = ["--select", "silver", "gold", "--exclude", "candle_revisions", *NO_UNIT_TESTS]
EDITED = ["--select", "trading_indicators", *NO_UNIT_TESTS]
ASK = """
import json
from lakehouse import engine
from lakehouse import settings
spark = engine.session(settings.load())
tables = {name: spark.table(f"bronze.{name}").collect() for name in ("symbols", "exchanges")}
print(json.dumps({name: [list(row) for row in rows] for name, rows in tables.items()}))
"""
TIMES = 3


def main() -> None:
    """Measure all and print the table."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    home = folder / "home"
    try:
        print(table(measure(home, folder / "peer")))
    finally:
        for server in ("engine", "postgres"):
            crypto(home, server, "stop")
        shutil.rmtree(folder)


def measure(home: Path, peer: Path) -> dict[str, float]:
    """Return the seconds of each thing waited for, in a new home with 100,000 sample trades."""
    crypto(home, "generate")
    found = {"first": crypto(home, "run"), "second": with_news(home, 1, "run")}
    found["news"] = statistics.median(with_news(home, 2 + number, "run") for number in range(TIMES))
    found["nodes"] = statistics.median(with_news(home, 9 + number) for number in range(TIMES))
    found["edit"] = statistics.median(dbt(home, "build", *EDITED) for _ in range(TIMES))
    found["status"] = statistics.median(crypto(home, "status") for _ in range(TIMES))
    found["help"] = statistics.median(crypto(home, "--help") for _ in range(TIMES))
    dbt(home, "compile", "--full-refresh")
    found["count"] = dbt_duckdb.write(
        home / "target" / "manifest.json", home / "landing" / "trades", reference(home), peer
    )
    build = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "build"]
    build += ["--project-dir", peer, "--profiles-dir", peer, "--target-path", peer / "target", "--log-path", peer]
    found["peer"] = statistics.median(run(build, home)[0] for _ in range(TIMES))
    return found


def with_news(home: Path, seed: int, *command: str) -> float:
    """Put 1,000 new trades of the first day into the landing zone and take them in, by a command or by plain dbt."""
    generate_news(home, seed)
    if command:
        return crypto(home, *command)
    crypto(home, "ingest")
    return dbt(home, "build", *LAKE)


def reference(home: Path) -> dict[str, list[tuple]]:
    """Return the reference data that ingestion copied to bronze."""
    _, said = run([sys.executable, "-c", ASK], home)
    return {name: [tuple(row) for row in rows] for name, rows in json.loads(said.splitlines()[-1]).items()}


def table(found: dict[str, float]) -> str:
    """Return what was found beside the goals, as a table."""
    rows = [
        ("first `crypto run` of a new home, nothing running: 100,000 trades to Postgres", found["first"], "45 s"),
        ("second `crypto run`, 1,000 new trades", found["second"], ""),
        ("`crypto run` with 1,000 new trades, warm (median of the next three)", found["news"], ""),
        ("`dbt build` of the nodes that dbt-duckdb has too, 1,000 new trades, warm", found["nodes"], ""),
        (f"dbt-duckdb, the same {found['count']:.0f} models and tests, from the raw files", found["peer"], ""),
        ("one gold model and its data tests: `dbt build --select trading_indicators`", found["edit"], "8 s"),
        ("`crypto status`", found["status"], "1 s"),
        ("`crypto --help`", found["help"], "0.3 s"),
    ]
    lines = ["| what | seconds | goal |", "|---|---:|---:|"]
    lines += [f"| {what} | {seconds:.2f} | {goal} |" for what, seconds, goal in rows]
    lines.append(f"| `crypto run` with news by dbt-duckdb | {found['news'] / found['peer']:.1f} | 2 |")
    lines.append(f"| the same nodes by dbt-duckdb | {found['nodes'] / found['peer']:.1f} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
