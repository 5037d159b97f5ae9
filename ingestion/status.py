"""``crypto status``: what there is, what runs, and what is wrong with the set-up, without starting anything."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion import buckets, engine, jars, layers, postgres
from ingestion.errors import CryptoError
from ingestion.settings import LAYERS, Settings

ENOUGH_DISK = 2 * 1024**3
ENOUGH_MEMORY = 4 * 1024**3


def show(settings: Settings, *, as_json: bool = False) -> int:
    """Print the status; return 0 if nothing is wrong."""
    found = collect(settings)
    if as_json:
        print(json.dumps(found, default=str))
    else:
        _print(found)
    return 1 if found["problems"] else 0


def collect(settings: Settings) -> dict[str, Any]:
    """Return the tables with rows and latest times, the last runs, the servers and the problems."""
    running = engine.status(settings)
    return {
        "home": str(settings.home),
        "landing_zone": settings.landing_zone,
        "tables": tables(settings),
        "last_runs": last_runs(settings),
        "engine": {"running": running is not None, "url": running.url if running else None},
        "postgres": _postgres(settings),
        "problems": problems(settings),
    }


def tables(settings: Settings) -> list[dict[str, Any]]:
    """Return name, rows, version and time of the last commit of each Delta table, from its log alone."""
    found = []
    for layer in LAYERS:
        for name in layers.of(settings, layer).tables():
            table = layers.table(settings, layer, name)
            if table is None:
                continue
            actions = table.get_add_actions(flatten=True)
            rows = sum(actions["num_records"].to_pylist())
            last = max((action["timestamp"] for action in table.history(1)), default=0)
            found.append(
                {
                    "table": f"{layer}.{name}",
                    "rows": rows,
                    "version": table.version(),
                    "latest": _latest(actions),
                    "changed_at": str(datetime.fromtimestamp(last / 1000, UTC))[:19],
                }
            )
    return found


def _latest(actions: Any) -> str | None:
    for column in ("max.timestamp", "max.traded_at", "max.last_trade_at", "max.window_start", "max.metric_date"):
        if column in actions.schema.names:
            values = [value for value in actions[column].to_pylist() if value is not None]
            return str(max(values))[:19] if values else None
    return None


def last_runs(settings: Settings, count: int = 3) -> list[dict[str, Any]]:
    """Return time, outcome and seconds of the last runs, newest first."""
    files = sorted((settings.home / "runs").glob("*.json"), reverse=True)[:count]
    runs = [(path, json.loads(path.read_text())) for path in files]
    return [{"run": path.stem.split("-")[0], "ok": run["ok"], "seconds": run["seconds"]} for path, run in runs]


def _postgres(settings: Settings) -> dict[str, Any]:
    if settings.postgres:
        given = settings.postgres
        return {"embedded": False, "host": given.host, "port": given.port, "database": given.name}
    found = postgres.status(settings)
    return {"embedded": True, "running": found.running, "port": found.port}


def problems(settings: Settings) -> list[str]:
    """Return what is wrong with the set-up, each with its fix, in a sentence."""
    checks = (
        _check_python,
        jars.find_java,
        jars.delta_jars,
        lambda: _check_profiles(settings),
        _check_dbt,
        lambda: _check_disk(settings),
        _check_memory,
    )
    found = buckets.problems(settings)
    for check in checks:
        try:
            check()
        except CryptoError as error:
            found.append(str(error))
    return found


def _check_python() -> None:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise CryptoError("This Python is not 3.11, 3.12 or 3.13; run `make clean setup PYTHON=python3.11`.")


def _check_profiles(settings: Settings) -> None:
    if not (settings.project / "profiles.yml").is_file():
        raise CryptoError("profiles.yml is missing; run `make setup`, or copy profiles.yml.example.")


def _check_dbt() -> None:
    command = Path(sys.prefix) / "bin" / "dbt"
    if not command.is_file() or "ingestion.dbt_command" not in command.read_text():
        raise CryptoError("The dbt command is not the project's own; run `make setup` after `rm .venv/ready`.")


def _check_disk(settings: Settings) -> None:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < ENOUGH_DISK:
        raise CryptoError(f"Only {free / 1024**3:.1f} GiB are free below {folder}; free some or set CRYPTO_HOME.")


def _check_memory() -> None:
    import psutil

    total = psutil.virtual_memory().total
    if total < ENOUGH_MEMORY:
        raise CryptoError(f"The machine has {total / 1024**3:.1f} GiB; set CRYPTO_ENGINE_MEMORY=1g in .env.")


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Data home {found['home']}, landing zone {found['landing_zone']}")
    table = Table(box=None, pad_edge=False)
    for name, side in (("table", "left"), ("rows", "right"), ("latest (UTC)", "left"), ("changed (UTC)", "left")):
        table.add_column(name, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for row in found["tables"]:
        table.add_row(row["table"], f"{row['rows']:,}", row["latest"] or "", row["changed_at"])
    console.print(table if found["tables"] else "No table yet; `crypto run` makes them.")
    for run in found["last_runs"]:
        console.print(f"Run {run['run']}: {'well' if run['ok'] else 'failed'}, {run['seconds']} s")
    running = found["engine"]
    console.print(f"Engine: {'running at ' + running['url'] if running['running'] else 'not running'}")
    server = found["postgres"]
    if server["embedded"]:
        console.print(
            f"Postgres: embedded, {'running on port ' + str(server['port']) if server['running'] else 'not running'}"
        )
    else:
        console.print(f"Postgres: {server['host']}:{server['port']}/{server['database']}")
    for problem in found["problems"]:
        console.print(f"[red]Problem:[/] {problem}")
