"""``crypto costs``: time and cost of runs and of their models, from dbt's ``run_results.json``.

A run costs its seconds times the price of an hour of compute. Its nodes share that cost by the seconds that each was
at work: they run side by side, so their seconds add up to more than the run's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.errors import CryptoError
from ingestion.settings import Settings

# Each run keeps a summary and dbt's two artifacts, some 50 KB; older ones are removed.
KEPT_RUNS = 200


@dataclass(frozen=True)
class Node:
    """One node of a run: ``seconds`` at work, and its share of the run's ``cost``."""

    name: str
    kind: str
    status: str
    seconds: float
    cost: float


@dataclass(frozen=True)
class Run:
    """One run: when it ended (UTC), whether all was well, its seconds, its cost, and whether that is over budget."""

    name: str
    at: str
    ok: bool
    seconds: float
    cost: float
    over_budget: bool
    nodes: tuple[Node, ...]


def remember(settings: Settings, name: str, summary: dict[str, Any], artifacts: dict[str, Path]) -> None:
    """Keep what a run did: its summary, and each of dbt's results without the compiled SQL, which target/ has."""
    folder = settings.home / "runs"
    folder.mkdir(exist_ok=True)
    for part, path in artifacts.items():
        if path.is_file():
            results = json.loads(path.read_text())
            for result in results["results"]:
                result["compiled_code"] = None
            (folder / name).mkdir(exist_ok=True)
            (folder / name / f"{part}.json").write_text(json.dumps(results))
    (folder / f"{name}.json").write_text(json.dumps(summary, default=str))
    for old in sorted(folder.glob("*.json"), reverse=True)[KEPT_RUNS:]:
        old.unlink()
        shutil.rmtree(old.with_suffix(""), ignore_errors=True)


def runs(settings: Settings, count: int | None = None) -> list[Run]:
    """Return the last runs of this data home, newest first."""
    files = sorted((settings.home / "runs").glob("*.json"), reverse=True)[:count]
    return [_run(settings, path) for path in files]


def of_results(settings: Settings, path: Path) -> Run:
    """Return the run that one ``run_results.json`` tells of, such as that of a Databricks job."""
    results = _read(path)
    at = results["metadata"]["generated_at"]
    seconds = float(results["elapsed_time"])
    cost = price(settings, seconds)
    ok = all(result["status"] in ("success", "pass", "warn", "skipped", "no-op") for result in results["results"])
    return Run(path.name, at[:19].replace("T", " "), ok, seconds, cost, over(settings, cost), _nodes([results], cost))


def price(settings: Settings, seconds: float) -> float:
    """Return what so many seconds of compute cost."""
    return seconds / 3600 * settings.hour_price


def over(settings: Settings, cost: float) -> bool:
    """Whether a cost is over the budget of a run; never if there is none."""
    return settings.run_budget is not None and cost > settings.run_budget


def _run(settings: Settings, path: Path) -> Run:
    summary = json.loads(path.read_text())
    at = datetime.strptime(path.stem.split("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    cost = price(settings, summary["seconds"])
    results = [_read(part) for part in sorted(path.with_suffix("").glob("*.json"))]
    nodes = _nodes(results, cost)
    return Run(path.stem, str(at)[:19], summary["ok"], summary["seconds"], cost, over(settings, cost), nodes)


def _read(path: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(path.read_text())
        if not {"metadata", "results", "elapsed_time"} <= results.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError) as error:
        raise CryptoError(f"{path} is no run_results.json of dbt; name one that a dbt command has written.") from error
    return results


def _nodes(parts: Iterable[dict[str, Any]], cost: float) -> tuple[Node, ...]:
    results = (result for part in parts for result in part["results"])
    # A hook of the project is an operation: it only looks, and would be noise in every list.
    found = [result for result in results if not result["unique_id"].startswith("operation.")]
    whole = sum(result["execution_time"] for result in found)
    return tuple(
        Node(
            name=result["unique_id"].split(".")[2],
            kind=result["unique_id"].split(".")[0],
            status=str(result["status"]),
            seconds=round(result["execution_time"], 3),
            cost=cost * result["execution_time"] / whole if whole else 0.0,
        )
        for result in sorted(found, key=lambda result: -result["execution_time"])
    )


def show(settings: Settings, *, count: int, results: Path | None = None, as_json: bool = False) -> None:
    """Print the last runs and the nodes of the newest, or of one ``run_results.json``."""
    found = [of_results(settings, results)] if results else runs(settings, count)
    if as_json:
        budget = {"hour_price": settings.hour_price, "run_budget": settings.run_budget}
        print(json.dumps(budget | {"runs": [asdict(run) for run in found]}))
    elif not found:
        print("No run yet; `crypto run` makes one.")
    else:
        _print(settings, found)


def _print(settings: Settings, found: list[Run]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("run (UTC)")
    table.add_column("outcome")
    table.add_column("seconds", justify="right")
    table.add_column("cost", justify="right")
    table.add_column("")
    for run in found:
        mark = "over budget" if run.over_budget else ""
        table.add_row(run.at, "well" if run.ok else "failed", f"{run.seconds:,.1f}", f"${run.cost:,.4f}", mark)
    console.print(table)
    table = Table(box=None, pad_edge=False)
    table.add_column("model, seed, snapshot of the newest run")
    table.add_column("seconds", justify="right")
    table.add_column("cost", justify="right")
    tests = [node for node in found[0].nodes if node.kind == "test"]
    for node in found[0].nodes:
        if node.kind != "test":
            table.add_row(node.name, f"{node.seconds:,.1f}", f"${node.cost:,.4f}")
    if tests:
        seconds, cost = sum(node.seconds for node in tests), sum(node.cost for node in tests)
        table.add_row(f"{len(tests):,} tests", f"{seconds:,.1f}", f"${cost:,.4f}")
    console.print()
    console.print(table)
    budget = "no budget" if settings.run_budget is None else f"a budget of ${settings.run_budget:,.4g} a run"
    console.print(f"\nAt ${settings.hour_price:,.4g} an hour (CRYPTO_HOUR_PRICE), with {budget} (CRYPTO_RUN_BUDGET).")
