"""One run, from the landing zone to Postgres: ingest, ``dbt build``, the checks in Postgres, a summary."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ingestion import costs, engine, migrate, postgres
from ingestion.errors import CryptoError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.bronze import Landed

Say = Callable[[str], None]
LAYERS = {
    "bronze": ("trades",),
    "silver": ("trades", "rejected_trades", "candles_1m", "candles_1h", "candles_1d", "exchange_candles_1d"),
    "gold": ("daily_metrics", "trading_indicators", "correlations"),
}


@contextmanager
def exclusive(settings: Settings, say: Say) -> Iterator[None]:
    """Let one run at a time work in a data home; a second one says that it waits."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = (settings.home / "run.lock").open("a")
    except OSError as error:
        raise CryptoError(
            f"The data home {settings.home} can't be written ({error.strerror}); "
            "free it or set CRYPTO_HOME to another folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is at work in this data home; waiting for it to end ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ingest(settings: Settings) -> Landed:
    """Start both servers at once, bring Postgres up to date, and land files and reference data."""
    from ingestion import bronze, buckets, reference

    buckets.check(settings)
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(_prepare_postgres, settings)
        spark = engine.session(settings)
        prepared.result()
    landed = bronze.ingest(spark, settings)
    with postgres.connect(settings) as connection:
        reference.copy(spark, connection)
    return landed


def _prepare_postgres(settings: Settings) -> None:
    with postgres.connect(settings) as connection:
        migrate.migrate(connection)


def run(settings: Settings, *, full_refresh: bool = False, as_json: bool = False) -> int:
    """Run the whole; return the exit code, 0 only if all is well."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    say: Say = (lambda text: None) if as_json else console.print
    with exclusive(settings, say):
        started = time.monotonic()
        say(f"Landing zone {settings.landing_zone}")
        landed = ingest(settings)
        show_landed(landed, say)
        build = dbt(
            settings,
            ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if full_refresh else [])],
            say,
        )
        checks = dbt(settings, ["build", "--target", "postgres"], say) if build["ok"] else None
        summary = {
            "ok": build["ok"] and (checks is None or checks["ok"]) and checks is not None,
            "landed": {
                "batch_id": landed.batch_id,
                "files": dict(landed.files),
                "set_aside": {path: why.reason for path, why in landed.set_aside.items()},
                "waiting": list(landed.waiting),
                "changed": list(landed.changed),
            },
            "rows": count_rows(settings),
            "rejected": count_rejected(settings),
            "build": build,
            "checks": checks,
            "sync": last_sync(settings),
            "seconds": round(time.monotonic() - started, 1),
        }
    _remember(settings, summary)
    if as_json:
        print(json.dumps(summary, default=str))
    else:
        _show(summary, console)
    return 0 if summary["ok"] else 1


def dbt(settings: Settings, arguments: list[str], say: Say) -> dict[str, Any]:
    """Run dbt in this process; return what passed and failed. What it writes goes into the data home."""
    from dbt.cli.main import dbtRunner

    from ingestion.dbt_command import prepare

    prepare(arguments)
    folder = settings.home / "dbt" / ("postgres" if "postgres" in arguments else "local")
    places = ["--project-dir", str(settings.project), "--profiles-dir", str(settings.project)]
    places += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    progress = Progress(say)
    started = time.monotonic()
    quiet = ["--quiet", "--log-level", "none", "--log-level-file", "info"]
    result = dbtRunner(callbacks=[progress]).invoke([*quiet, *arguments, *places])
    if result.exception is not None:
        raise CryptoError(f"dbt could not start: {str(result.exception).strip().splitlines()[-1]}")
    return {
        "ok": result.success,
        "passed": progress.passed,
        "failed": progress.failed,
        "skipped": progress.skipped,
        "seconds": round(time.monotonic() - started, 1),
    }


class Progress:
    """Follows dbt's events: a line for each model as it is done, and for each test that fails."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.passed: dict[str, int] = {}
        self.failed: list[dict[str, str]] = []
        self.skipped = 0

    def __call__(self, event: Any) -> None:
        """Take one event."""
        if event.info.name != "NodeFinished":
            return
        node, result = event.data.node_info, event.data.run_result
        kind = node.resource_type
        # An exposure stands for those who read; there is nothing to build.
        if kind == "exposure":
            return
        if result.status in ("success", "pass", "warn"):
            self.passed[kind] = self.passed.get(kind, 0) + 1
            if kind != "test":
                self.say(f"  {node.node_relation.relation_name or node.node_name} {result.execution_time:.1f} s")
        elif result.status == "skipped":
            self.skipped += 1
        else:
            # The first line only repeats the name of the node.
            lines = [line.strip() for line in (result.message or "").splitlines() if line.strip()]
            message = lines[min(1, len(lines) - 1)] if lines else str(result.status)
            self.failed.append({"name": node.node_name, "kind": kind, "message": message})
            self.say(f"  FAILED {kind} {node.node_name}: {message}")


def count_rows(settings: Settings) -> dict[str, int]:
    """Return the rows of each table of each layer."""
    spark = engine.session(settings)
    query = " union all ".join(
        f"select '{schema}.{table}' as name, count(*) as rows from {schema}.{table}"
        for schema, tables in LAYERS.items()
        for table in tables
        if spark.catalog.tableExists(f"{schema}.{table}")
    )
    return {row.name: row.rows for row in spark.sql(query).collect()} if query else {}


def count_rejected(settings: Settings) -> dict[str, int]:
    """Return the number of rejected rows by reason."""
    spark = engine.session(settings)
    if not spark.catalog.tableExists("silver.screened_trades"):
        return {}
    query = "select reason, count(*) as rows from silver.screened_trades where reason is not null group by 1"
    return {row.reason: row.rows for row in spark.sql(query).collect()}


def last_sync(settings: Settings) -> list[dict[str, Any]]:
    """Return what the last sync did, a row for each published table."""
    from psycopg.rows import dict_row

    query = """
        select table_name, rows_inserted, rows_updated, rows_deleted, rows_total, checksum, seconds
        from crypto.sync_runs
        where run_id = (select run_id from crypto.sync_runs order by finished_at desc limit 1)
        order by table_name
    """
    with postgres.connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def show_landed(landed: Landed, say: Say) -> None:
    """Say what landed, what was set aside, and what has changed since it landed."""
    from ingestion import bronze

    for line in bronze.said(landed):
        say(line)


def written(inserted: int, updated: int, deleted: int) -> str:
    """Say what a sync has written to a table, in rows."""
    return f"+{inserted:,} ~{updated:,} -{deleted:,}"


def _remember(settings: Settings, summary: dict[str, Any]) -> None:
    parts = {"build": "local"} | ({"checks": "postgres"} if summary["checks"] else {})
    artifacts = {part: settings.home / "dbt" / target / "target" / "run_results.json" for part, target in parts.items()}
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
    costs.remember(settings, name, summary, artifacts)


def _show(summary: dict[str, Any], console: Any) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, rows in summary["rows"].items():
        table.add_row(name, f"{rows:,}")
    for reason, rows in sorted(summary["rejected"].items()):
        table.add_row(f"rejected: {reason}", f"{rows:,}")
    build, checks = summary["build"], summary["checks"] or {"passed": {}, "failed": []}
    passed = build["passed"].get("test", 0) + checks["passed"].get("test", 0)
    table.add_row("tests passed", f"{passed:,}")
    table.add_row("failed", f"{len(build['failed']) + len(checks['failed']):,}")
    for row in summary["sync"]:
        changes = written(row["rows_inserted"], row["rows_updated"], row["rows_deleted"])
        table.add_row(f"published: {row['table_name']}", f"{row['rows_total']:,} ({changes})")
    table.add_row("seconds", f"{summary['seconds']:.1f}")
    console.print()
    console.print(table)
    console.print("[green]All is well.[/]" if summary["ok"] else "[red]Something failed; see above.[/]")
