"""``crypto costs``: time and cost of the last runs and of each model, compared with the budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commands.run import history
from commands.run.history import PastRun
from lakehouse.settings import Settings


def show(settings: Settings, *, count: int, results: Path | None = None, as_json: bool = False) -> None:
    """Print the last ``count`` runs and the nodes of the newest one, or only the run that ``results`` describes.

    Raise CryptoError if ``results`` is not a ``run_results.json``.
    """
    runs = [history.of_results(settings, results)] if results else history.runs(settings, count)
    if as_json:
        budget = {"hour_price": settings.hour_price, "run_budget": settings.run_budget}
        print(json.dumps(budget | {"runs": [_as_json(run) for run in runs]}))
    elif not runs:
        print("No run yet; `crypto run` makes one.")
    else:
        _print(settings, runs)


def _as_json(run: PastRun) -> dict[str, Any]:
    nodes = [
        {
            "name": node.name,
            "kind": node.kind,
            "status": node.status,
            "seconds": node.seconds,
            "cost": run.cost_of(node),
        }
        for node in run.nodes
    ]
    return asdict(run) | {"nodes": nodes}


def _print(settings: Settings, runs: list[PastRun]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("ended (UTC)")
    table.add_column("outcome")
    table.add_column("seconds", justify="right")
    table.add_column("cost", justify="right")
    table.add_column("")
    for run in runs:
        mark = "over budget" if run.over_budget else ""
        table.add_row(run.at, "ok" if run.ok else "failed", f"{run.seconds:,.1f}", f"${run.cost:,.4f}", mark)
    console.print(table)
    table = Table(box=None, pad_edge=False)
    table.add_column("model, seed, snapshot of the newest run")
    table.add_column("seconds", justify="right")
    table.add_column("cost", justify="right")
    tests = [node for node in runs[0].nodes if node.kind == "test"]
    for node in runs[0].nodes:
        if node.kind != "test":
            table.add_row(node.name, f"{node.seconds:,.1f}", f"${runs[0].cost_of(node):,.4f}")
    if tests:
        seconds, cost = sum(node.seconds for node in tests), sum(map(runs[0].cost_of, tests))
        table.add_row(f"{len(tests):,} tests", f"{seconds:,.1f}", f"${cost:,.4f}")
    console.print()
    console.print(table)
    budget = "no budget" if settings.run_budget is None else f"a budget of ${settings.run_budget:,.4g} a run"
    price = f"${settings.hour_price:,.4g} an hour (CRYPTO_HOUR_PRICE)"
    console.print(f"\nWhat a warehouse would cost for these seconds, at {price}, with {budget} (CRYPTO_RUN_BUDGET).")
