"""``crypto status``: the tables, the last runs, the servers, and problems of the set-up; it starts nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from commands.inspect import leftovers
from commands.run import history
from ingestion import bronze
from lakehouse import engine, postgres
from lakehouse.errors import CryptoError
from lakehouse.postgres import embedded
from lakehouse.settings import LAYERS, Settings
from lakehouse.storage import lake, s3

SHOWN_RUNS = 3
ENOUGH_DISK = 2 * 1024**3
ENOUGH_MEMORY = 4 * 1024**3


def show(settings: Settings, *, as_json: bool = False) -> int:
    """Print the status; return 0 if no problem was found, else 1."""
    state = collect(settings)
    if as_json:
        print(json.dumps(state, default=str))
    else:
        _print(state)
    return 1 if state["problems"] else 0


def collect(settings: Settings) -> dict[str, Any]:
    """Return tables, last runs, servers, checks and problems, as ``crypto status --json`` prints them."""
    running = engine.status(settings)
    results = checks(settings)
    return {
        "home": str(settings.home),
        "landing_zone": settings.landing_zone,
        "tables": tables(settings),
        "last_runs": history.outcomes(settings, SHOWN_RUNS),
        "engine": {"running": running is not None, "url": running.url if running else None},
        "postgres": _postgres(settings),
        "checks": results,
        "problems": [check["found"] for check in results if not check["ok"]],
    }


def tables(settings: Settings) -> list[dict[str, Any]]:
    """Return rows, version, latest event time and time of the last commit (UTC) of each Delta table.

    All of it is read from the Delta logs, without reading data.
    """
    described = []
    for layer in LAYERS:
        for name in lake.layer(settings, layer).tables():
            table = lake.table(settings, f"{layer}.{name}")
            if table is None:
                continue
            actions = table.get_add_actions(flatten=True)
            rows = sum(actions["num_records"].to_pylist())
            last = max((action["timestamp"] for action in table.history(1)), default=0)
            described.append(
                {
                    "table": f"{layer}.{name}",
                    "rows": rows,
                    "version": table.version(),
                    "latest": _latest(actions),
                    "changed_at": str(datetime.fromtimestamp(last / 1000, UTC))[:19],
                }
            )
    return described


def _latest(actions: Any) -> str | None:
    for column in ("max.timestamp", "max.traded_at", "max.last_trade_at", "max.window_start", "max.metric_date"):
        if column in actions.schema.names:
            values = [value for value in actions[column].to_pylist() if value is not None]
            return str(max(values))[:19] if values else None
    return None


def _postgres(settings: Settings) -> dict[str, Any]:
    if settings.postgres:
        server = settings.postgres
        return {"embedded": False, "host": server.host, "port": server.port, "database": server.name}
    status = postgres.status(settings)
    return {"embedded": True, "running": status.running, "port": status.port}


def checks(settings: Settings) -> list[dict[str, Any]]:
    """Return the results of the set-up checks: the name of the check, whether it passed (``ok``), and what it found.

    If a check failed, ``found`` is a sentence that names the fix; several problems give several results.
    """
    functions: dict[str, Callable[[], str]] = {
        "python": _python,
        "sail": lambda: version("pysail"),
        "dbt": lambda: _dbt(settings),
        "engine": lambda: engine.openness(settings) or "answers no other user of this machine",
        "memory": lambda: _memory(settings),
        "disk": lambda: _disk(settings),
        "ports": _ports,
        "lake": lambda: _lake(settings),
        "models": lambda: _models(settings),
        "postgres": lambda: _postgres_answers(settings),
        "s3": lambda: _s3(settings),
        "databricks": lambda: _databricks(settings),
    }
    results = []
    for name, function in functions.items():
        try:
            results.append({"check": name, "ok": True, "found": function()})
        except CryptoError as error:
            results += [{"check": name, "ok": False, "found": sentence} for sentence in str(error).splitlines()]
    return results


def _lake(settings: Settings) -> str:
    """Return the number of tables and views; raise CryptoError for those that the last run built and that are gone."""
    last = history.runs(settings, 1)
    if not last:
        return "not built yet"
    found = {f"{layer}.{name}" for layer in LAYERS for name in lake.layer(settings, layer).names()}
    built = {node.name for node in last[0].nodes if node.status == "success"}
    expected = {name for name in leftovers.models(settings.project) if name.partition(".")[2] in built}
    if gone := sorted((expected | {f"bronze.{table}" for table in bronze.TABLES}) - found):
        raise CryptoError(f"The lake lacks {', '.join(gone)}; run `crypto engine stop`, then `crypto run`.")
    return f"{len(found)} tables and views"


def _models(settings: Settings) -> str:
    if found := leftovers.find(settings):
        raise CryptoError(f"No model makes {found} any more, so nothing keeps it up; `crypto prune` removes it.")
    return "every table belongs to one"


def _python() -> str:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise CryptoError("This Python is not 3.11, 3.12 or 3.13; run `make clean setup PYTHON=python3.11`.")
    return ".".join(map(str, sys.version_info[:3]))


def _dbt(settings: Settings) -> str:
    if not (settings.project / "profiles.yml").is_file():
        raise CryptoError("profiles.yml is missing; run `make setup`, or copy profiles.yml.example.")
    command = Path(sys.prefix) / "bin" / "dbt"
    if not command.is_file() or "commands.dbt_command" not in command.read_text():
        raise CryptoError("The dbt command is not the project's own; run `make setup` after `rm .venv/ready`.")
    return version("dbt-core")


def _memory(settings: Settings) -> str:
    import psutil

    total = psutil.virtual_memory().total
    if total < ENOUGH_MEMORY:
        raise CryptoError(f"The machine has {total / 1024**3:.1f} GiB; set CRYPTO_ENGINE_MEMORY=1g in .env.")
    return f"{total / 1024**3:.1f} GiB, of which the engine takes up to {settings.engine_memory}"


def _disk(settings: Settings) -> str:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < ENOUGH_DISK:
        raise CryptoError(f"Only {free / 1024**3:.1f} GiB are free below {folder}; free some or set CRYPTO_HOME.")
    if not os.access(folder, os.W_OK):
        raise CryptoError(f"{folder} can't be written; correct its permissions or set CRYPTO_HOME to another folder.")
    return f"{free / 1024**3:.1f} GiB free"


def _ports() -> str:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            raise CryptoError(
                f"No port of 127.0.0.1 can be opened ({error.strerror}); let programs listen there, or close some."
            ) from error
    return "127.0.0.1 is free to listen on"


def _postgres_answers(settings: Settings) -> str:
    if settings.postgres is None:
        embedded.binaries()
        return "embedded"
    with postgres.connect(settings, connect_timeout=3) as connection:
        return f"{settings.postgres.host} answers, version {connection.info.server_version // 10000}"


def _s3(settings: Settings) -> str:
    if not settings.raw_bucket:
        return "not used: RAW_BUCKET is not set"
    # Each bucket can have another problem: report one per line.
    problems = s3.problems(settings)
    if problems:
        raise CryptoError("\n".join(problems))
    return (
        f"{settings.landing_zone} and the buckets of the lake can be listed"
        if settings.lake_buckets
        else (f"{settings.landing_zone} can be listed")
    )


def _databricks(settings: Settings) -> str:
    def is_set(*names: str) -> bool:
        return any(settings.values.get(name, "").strip() for name in names)

    host = is_set("DATABRICKS_HOST", "DATABRICKS_WORKSPACE_URL")
    if not host and not is_set("DATABRICKS_HTTP_PATH", "DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID"):
        return "not used: DATABRICKS_HOST is not set"
    if not host:
        raise CryptoError("DATABRICKS_HOST is not set, but other DATABRICKS_ settings are; set it to the workspace.")
    if not is_set("DATABRICKS_HTTP_PATH"):
        raise CryptoError("DATABRICKS_HTTP_PATH is not set; copy it from the SQL warehouse's connection details.")
    if not is_set("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID"):
        return "set, with OAuth of a user (no DATABRICKS_TOKEN)"
    return "set; not checked whether the workspace answers"


def _print(state: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Data home {state['home']}, landing zone {state['landing_zone']}")
    table = Table(box=None, pad_edge=False)
    for name in ("table", "rows", "latest event (UTC)", "last commit (UTC)"):
        table.add_column(name, justify="right" if name == "rows" else "left", no_wrap=True)
    for row in state["tables"]:
        table.add_row(row["table"], f"{row['rows']:,}", row["latest"] or "", row["changed_at"])
    console.print(table if state["tables"] else "No table yet; `crypto run` makes them.")
    for run in state["last_runs"]:
        console.print(f"Run {run['run']}: {'ok' if run['ok'] else 'failed'}, {run['seconds']} s")
    server = state["engine"]
    console.print(f"Engine: {'running at ' + server['url'] if server['running'] else 'not running'}")
    server = state["postgres"]
    if server["embedded"]:
        console.print(
            f"Postgres: embedded, {'running on port ' + str(server['port']) if server['running'] else 'not running'}"
        )
    else:
        console.print(f"Postgres: {server['host']}:{server['port']}/{server['database']}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in state["checks"]:
        table.add_row("[green]✓[/]" if check["ok"] else "[red]✗[/]", check["check"], Text(check["found"]))
    console.print(table)
