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

from commands.run import nodes
from commands.run.nodes import Node
from lakehouse.settings import Settings

# A run takes about 50 KB here; runs beyond this number are removed, oldest first.
KEPT_RUNS = 200


@dataclass(frozen=True)
class PastRun:
    """One run: when it ended (``at``, UTC), whether it succeeded, its duration, its cost in dollars, and its nodes."""

    name: str
    at: str
    ok: bool
    seconds: float
    cost: float
    over_budget: bool
    nodes: tuple[Node, ...]

    def cost_of(self, node: Node) -> float:
        """Return the share of the cost, in dollars, of a node of this run."""
        total = sum(other.seconds for other in self.nodes)
        return self.cost * node.seconds / total if total else 0.0


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


def runs(settings: Settings, count: int | None = None) -> list[PastRun]:
    """Return the last ``count`` runs of this data home (default: all), newest first."""
    return [_run(settings, path) for path in _summaries(settings)[:count]]


def outcomes(settings: Settings, count: int) -> list[dict[str, Any]]:
    """Return time, success and seconds of the last runs, newest first, without reading dbt's results."""
    summaries = [(path, json.loads(path.read_text())) for path in _summaries(settings)[:count]]
    return [{"run": path.stem.split("-")[0], "ok": run["ok"], "seconds": run["seconds"]} for path, run in summaries]


def last_summary(settings: Settings) -> dict[str, Any]:
    """Return the summary of the last run, as `save` was given it; empty if there was none."""
    return next((json.loads(path.read_text()) for path in _summaries(settings)), {})


def _summaries(settings: Settings) -> list[Path]:
    return sorted((settings.home / "runs").glob("*.json"), reverse=True)


def of_results(settings: Settings, path: Path) -> PastRun:
    """Return the run that a ``run_results.json`` describes, such as one of a Databricks job.

    Raise CryptoError if the file can't be read or is something else.
    """
    results = nodes.read_results(path)
    at = results["metadata"]["generated_at"]
    seconds = float(results["elapsed_time"])
    cost = price(settings, seconds)
    ok = not any(nodes.node(result).failed for result in results["results"])
    at = at[:19].replace("T", " ")
    return PastRun(path.name, at, ok, seconds, cost, is_over_budget(settings, cost), _nodes([results]))


def price(settings: Settings, seconds: float) -> float:
    """Return the cost in dollars of ``seconds`` of compute."""
    return seconds / 3600 * settings.hour_price


def is_over_budget(settings: Settings, cost: float) -> bool:
    """Return whether a cost exceeds the budget of a run; False if there is no budget."""
    return settings.run_budget is not None and cost > settings.run_budget


def _run(settings: Settings, path: Path) -> PastRun:
    summary = json.loads(path.read_text())
    at = datetime.strptime(path.stem.split("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    cost = price(settings, summary["seconds"])
    results = [nodes.read_results(part) for part in sorted(path.with_suffix("").glob("*.json"))]
    over_budget = is_over_budget(settings, cost)
    return PastRun(path.stem, str(at)[:19], summary["ok"], summary["seconds"], cost, over_budget, _nodes(results))


def _nodes(parts: Iterable[dict[str, Any]]) -> tuple[Node, ...]:
    """Return the nodes of a run's parts, the longest first."""
    # dbt lists the project's hook as an operation; it only checks the selection and builds nothing.
    found = [nodes.node(result) for part in parts for result in part["results"]]
    return tuple(sorted((node for node in found if node.kind != "operation"), key=lambda node: -node.seconds))
