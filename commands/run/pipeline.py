"""A run from the landing zone to Postgres: ingest, ``dbt build``, the checks in Postgres, and a summary."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from commands.run import alerts, history, lock, notices, row_counts
from commands.run.dbt_runner import run_dbt, target_folder
from commands.run.display import Display, choose_display
from commands.run.nodes import Node
from lakehouse import engine, postgres
from lakehouse.errors import CryptoError
from lakehouse.postgres import migrate
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from ingestion.ledger import IngestResult

Say = Callable[[str], None]
# Between two tests of silver's whole tables, a run tests what changes in them.
WHOLE_TABLES_SECONDS = 24 * 3600


def ingest(settings: Settings, display: Display | None = None) -> IngestResult:
    """Land new files and reference data, after starting both servers in parallel and migrating Postgres."""
    from ingestion import ledger, reference
    from lakehouse.storage import s3

    s3.check(settings)
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(_prepare_postgres, settings)
        spark = engine.session(settings)
        prepared.result()
    landed = ledger.ingest(
        spark, settings, on_file=display.file_read if display else None, engine_path=partial(engine.path, settings)
    )
    with postgres.connect(settings) as connection:
        reference.copy(spark, connection)
    return landed


def _prepare_postgres(settings: Settings) -> None:
    with postgres.connect(settings) as connection:
        migrate.migrate(connection)


def run(settings: Settings, *, full_refresh: bool = False, all_tests: bool = False, as_json: bool = False) -> int:
    """Do a whole run and return the exit code: 0 if everything succeeded, 1 if not, 130 if interrupted.

    Whole tables of silver are tested if ``all_tests``, in a full refresh, and when the last such test that passed is
    more than a day ago.
    A CryptoError is sent as an alert and raised again.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    display = choose_display(as_json=as_json, console=console)
    started = time.monotonic()
    try:
        with lock.exclusive(settings, display.say), display:
            summary = _run(settings, display, started, full_refresh=full_refresh, all_tests=all_tests)
    except KeyboardInterrupt:
        display.say("Stopped. What was done stays; the next `crypto run` goes on from there.")
        return 130
    except CryptoError as error:
        summary = {"ok": False, "seconds": time.monotonic() - started, "error": str(error)}
        alerts.send(settings, alerts.message(summary, []), display.say)
        raise
    nodes = findings(settings, summary)
    if nodes or not summary["ok"] or summary["notices"]:
        alerts.send(settings, alerts.message(summary, nodes), display.say)
    if as_json:
        print(json.dumps(summary, default=str))
    else:
        _show(summary, nodes, settings, console)
    return 0 if summary["ok"] else 1


def _run(
    settings: Settings, display: Display, started: float, *, full_refresh: bool, all_tests: bool
) -> dict[str, Any]:
    tested_at = history.last_summary(settings).get("whole_tables_tested_at", 0.0)
    is_whole = full_refresh or all_tests or time.time() - tested_at > WHOLE_TABLES_SECONDS
    options = ["--full-refresh"] if full_refresh else []
    options += [] if is_whole else ["--selector", "lake_changes"]
    display.stage("Landing")
    display.say(f"Landing zone {settings.landing_zone}")
    landed = ingest(settings, display)
    show_landed(landed, display.say)
    display.stage("Building, testing and publishing")
    build = run_dbt(
        settings, ["build", "--target", settings.target, "--exclude-resource-types", "unit_test", *options], display
    )
    checks = None
    if build["ok"]:
        if is_whole:
            tested_at = time.time()
        display.stage("Checking Postgres")
        checks = run_dbt(settings, ["build", "--target", "postgres"], display)
    reasons = row_counts.by_reason(settings)
    summary: dict[str, Any] = {
        "ok": build["ok"] and checks is not None and checks["ok"],
        "landed": {
            "batch_id": landed.batch_id,
            "files": dict(landed.files),
            "set_aside": {path: why.reason for path, why in landed.set_aside.items()},
            "waiting": list(landed.waiting),
            "changed": list(landed.changed),
        },
        "rows": row_counts.by_table(settings, reasons),
        "rejected": {reason: rows for reason, rows in reasons.items() if reason is not None},
        "build": build,
        "tested_whole_tables": is_whole,
        "whole_tables_tested_at": tested_at,
        "checks": checks,
        "sync": published_tables(settings, build["invocation_id"]),
        "seconds": round(time.monotonic() - started, 1),
    }
    cost = history.price(settings, summary["seconds"])
    over_budget = history.is_over_budget(settings, cost)
    summary |= {"cost": round(cost, 6), "budget": settings.run_budget, "over_budget": over_budget}
    summary["ok"] = summary["ok"] and not (summary["over_budget"] and settings.fail_over_budget)
    summary |= _look(settings, landed, summary)
    _save(settings, summary)
    return summary


def _look(settings: Settings, landed: IngestResult, summary: dict[str, Any]) -> dict[str, Any]:
    """Return the sentences of what to look at (``notices``), and what the next run has to know of it (``seen``)."""
    before = history.last_summary(settings).get("seen", {})
    rejections, seen = notices.of_rejections(settings, before)
    sentences = [*notices.of_files(landed), *rejections]
    if beyond := row_counts.beyond_type(settings):
        sentences.append(
            f"{beyond:,} daily candles have a quote volume beyond its type; it stands at the largest value there, and "
            "vwap within low and high. Prices or volumes of their trades are hardly real."
        )
    if summary["over_budget"]:
        cost, budget = summary["cost"], summary["budget"]
        sentences.append(f"The run cost ${cost:.4f}, more than its budget of ${budget:.4g} (CRYPTO_RUN_BUDGET).")
    return {"notices": sentences, "seen": seen}


def findings(settings: Settings, summary: dict[str, Any]) -> list[Node]:
    """Return the nodes that failed or warned in a run, each with its owner and the command that shows the rows."""
    nodes = alerts.findings(target_folder(settings, settings.target))
    if summary["checks"]:
        nodes += alerts.findings(target_folder(settings, "postgres"), option=" --target postgres")
    return nodes


def published_tables(settings: Settings, invocation_id: str) -> list[dict[str, Any]]:
    """Return what a dbt invocation has published: its rows of ``crypto.sync_runs``, one for each table."""
    from psycopg.rows import dict_row

    query = """
        select table_name, rows_inserted, rows_updated, rows_deleted, rows_total, checksum, seconds
        from crypto.sync_runs
        where invocation_id = %s
        order by table_name
    """
    with postgres.connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [invocation_id]).fetchall()


def show_landed(landed: IngestResult, say: Say) -> None:
    """Report which files landed, were set aside, or have changed since they landed."""
    from ingestion import ledger

    for line in ledger.describe(landed):
        say(line)


def row_changes(inserted: int, updated: int, deleted: int) -> str:
    """Return the numbers of rows that a sync inserted, updated and deleted as text, such as ``+3 ~2 -1``."""
    return f"+{inserted:,} ~{updated:,} -{deleted:,}"


def _save(settings: Settings, summary: dict[str, Any]) -> None:
    parts = {"build": settings.target} | ({"checks": "postgres"} if summary["checks"] else {})
    artifacts = {part: target_folder(settings, target) / "run_results.json" for part, target in parts.items()}
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
    history.save(settings, name, summary, artifacts)


def _show(summary: dict[str, Any], nodes: list[Node], settings: Settings, console: Any) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, rows in summary["rows"].items():
        table.add_row(name, f"{rows:,}")
    for reason, rows in sorted(summary["rejected"].items()):
        table.add_row(f"rejected: {reason}", f"{rows:,}")
    build, checks = summary["build"], summary["checks"] or {"passed": {}, "failed": [], "warned": []}
    passed = build["passed"].get("test", 0) + checks["passed"].get("test", 0)
    table.add_row("tests passed", f"{passed:,}")
    if not summary["tested_whole_tables"]:
        tested_at = time.gmtime(summary["whole_tables_tested_at"])
        table.add_row("whole tables tested", time.strftime("%Y-%m-%d %H:%M UTC", tested_at))
    table.add_row("warned", f"{len(build['warned']) + len(checks['warned']):,}")
    table.add_row("failed", f"{len(build['failed']) + len(checks['failed']):,}")
    if skipped := build["skipped"] + checks.get("skipped", 0):
        table.add_row("skipped", f"{skipped:,}")
    for row in summary["sync"]:
        changes = row_changes(row["rows_inserted"], row["rows_updated"], row["rows_deleted"])
        table.add_row(f"published: {row['table_name']}", f"{row['rows_total']:,} ({changes})")
    if not summary["sync"]:
        table.add_row("published", "nothing")
    table.add_row("seconds", f"{summary['seconds']:.1f}")
    table.add_row("cost on a warehouse", f"${summary['cost']:.4f}")
    console.print()
    console.print(table)
    for sentence in (*(f"{node}; look: {node.look}" for node in nodes), *summary["notices"]):
        console.print(sentence, style="yellow", markup=False)
    count = len(nodes) + len(summary["notices"])
    if summary["ok"] and not summary["rows"].get("bronze.trades"):
        console.print("[yellow]The tables are there, but no trade has landed; see above what is missing.[/]")
    elif summary["ok"] and count:
        console.print(f"[yellow]Done, with {count:,} thing{'s' * (count > 1)} to look at.[/]")
    elif summary["ok"]:
        console.print("[green]All is well.[/]")
    else:
        console.print("[red]Something failed; see above.[/]")
        console.print(f"The engine's messages are in {engine.log_file(settings)}, dbt's in {settings.home / 'dbt'}.")
