"""The record of past runs in the data home's folder ``runs/``: a summary of each run, and dbt's results of its nodes.

The cost of a run is its duration times the price of an hour of compute. It is divided among the nodes in proportion to
their seconds, whose sum exceeds the duration because nodes run in parallel.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commands.run.view import FINE
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings

# A run takes about 50 KB here; runs beyond this number are removed, oldest first.
KEPT_RUNS = 200


@dataclass(frozen=True)
class Node:
    """One node of a run: its execution time in ``seconds``, and its share of the run's ``cost`` in dollars."""

    name: str
    kind: str
    status: str
    seconds: float
    cost: float


@dataclass(frozen=True)
class Run:
    """One run: when it ended (``at``, UTC), whether it succeeded, its duration, its cost in dollars, and its nodes."""

    name: str
    at: str
    ok: bool
    seconds: float
    cost: float
    over_budget: bool
    nodes: tuple[Node, ...]


def save(settings: Settings, name: str, summary: dict[str, Any], artifacts: dict[str, Path]) -> None:
    """Save a run's summary and dbt's results under ``name``; remove the oldest runs beyond KEPT_RUNS.

    ``artifacts`` maps a part of the run to its ``run_results.json``. The compiled SQL is left out to save space.
    """
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
    for old in _summaries(settings)[KEPT_RUNS:]:
        old.unlink()
        shutil.rmtree(old.with_suffix(""), ignore_errors=True)


def runs(settings: Settings, count: int | None = None) -> list[Run]:
    """Return the last ``count`` runs of this data home (default: all), newest first."""
    return [_run(settings, path) for path in _summaries(settings)[:count]]


def outcomes(settings: Settings, count: int) -> list[dict[str, Any]]:
    """Return time, success and seconds of the last runs, newest first, without reading dbt's results."""
    summaries = [(path, json.loads(path.read_text())) for path in _summaries(settings)[:count]]
    return [{"run": path.stem.split("-")[0], "ok": run["ok"], "seconds": run["seconds"]} for path, run in summaries]


def _summaries(settings: Settings) -> list[Path]:
    return sorted((settings.home / "runs").glob("*.json"), reverse=True)


def of_results(settings: Settings, path: Path) -> Run:
    """Return the run that a ``run_results.json`` describes, such as one of a Databricks job.

    Raise CryptoError if the file can't be read or is something else.
    """
    results = _read(path)
    at = results["metadata"]["generated_at"]
    seconds = float(results["elapsed_time"])
    cost = price(settings, seconds)
    ok = all(result["status"] in (*FINE, "warn") for result in results["results"])
    nodes = _nodes([results], cost)
    return Run(path.name, at[:19].replace("T", " "), ok, seconds, cost, is_over_budget(settings, cost), nodes)


def price(settings: Settings, seconds: float) -> float:
    """Return the cost in dollars of ``seconds`` of compute."""
    return seconds / 3600 * settings.hour_price


def is_over_budget(settings: Settings, cost: float) -> bool:
    """Return whether a cost exceeds the budget of a run; False if there is no budget."""
    return settings.run_budget is not None and cost > settings.run_budget


def _run(settings: Settings, path: Path) -> Run:
    summary = json.loads(path.read_text())
    at = datetime.strptime(path.stem.split("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    cost = price(settings, summary["seconds"])
    results = [_read(part) for part in sorted(path.with_suffix("").glob("*.json"))]
    nodes = _nodes(results, cost)
    return Run(path.stem, str(at)[:19], summary["ok"], summary["seconds"], cost, is_over_budget(settings, cost), nodes)


def _read(path: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(path.read_text())
        if not {"metadata", "results", "elapsed_time"} <= results.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError) as error:
        raise CryptoError(
            f"{path} is not a run_results.json of dbt; name one that a dbt command has written."
        ) from error
    return results


def _nodes(parts: Iterable[dict[str, Any]], cost: float) -> tuple[Node, ...]:
    results = (result for part in parts for result in part["results"])
    # dbt lists the project's hook as an operation; it only checks the selection and builds nothing.
    nodes = [result for result in results if not result["unique_id"].startswith("operation.")]
    total = sum(result["execution_time"] for result in nodes)
    return tuple(
        Node(
            name=result["unique_id"].split(".")[2],
            kind=result["unique_id"].split(".")[0],
            status=str(result["status"]),
            seconds=round(result["execution_time"], 3),
            cost=cost * result["execution_time"] / total if total else 0.0,
        )
        for result in sorted(nodes, key=lambda result: -result["execution_time"])
    )
