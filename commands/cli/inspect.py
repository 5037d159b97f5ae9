"""Commands that show the state of a data home and its runs, and check its tables; they change nothing in them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from commands.cli.group import ENGINES, load, main, target_option

# What --select stands for without a name.
CHANGED = "changed"


@main.command()
@click.option(
    "--seed", type=int, help="Repeat the order of the verify that printed this seed.  [default: a random one]"
)
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Number of batches in which the trades land.",
)
@click.option(
    "--select",
    "selection",
    is_flag=False,
    flag_value=CHANGED,
    metavar="[MODELS]",
    help="Compute models over the live tables instead; without a name, those whose text changed since they passed.",
)
@target_option
def verify_command(seed: int | None, batches: int, selection: str | None, target: str) -> None:
    """Check that the tables do not depend on the trades' order.

    In a scratch home with an engine of its own, verify lands all trades in another order and in pieces, and compares
    every silver and gold table with the live one, which it only reads. It publishes nothing.

    With --select it computes the queries of some models once, over the live tables that they read, and compares types
    and values. MODELS are chosen as dbt does it; with --target spark, Apache Spark computes them.

    Example: crypto verify --select market_overview --target spark
    """
    import secrets

    from commands.inspect import verify
    from commands.run import lock

    settings, kind = load(), ENGINES[target]
    with lock.exclusive(settings, uses_engine=False):
        if selection:
            models = None if selection == CHANGED else selection
            differences = verify.verify_models(settings, kind, models, click.echo)
        else:
            seed = secrets.randbelow(1_000_000) if seed is None else seed
            click.echo(f"Seed {seed}: `crypto verify --seed {seed} --batches {batches}` repeats this order.")
            differences = verify.verify(settings, kind, seed, batches, click.echo)
    for difference in differences:
        click.echo(f"{difference.table}: {difference.what} differ, such as")
        for example in difference.examples:
            click.echo(f"  {example}")
    equal = "Every type and value is equal." if selection else "Every silver and gold table is equal, value for value."
    click.echo(f"The {'computed models differ' if selection else 'replay differs'}." if differences else equal)
    sys.exit(1 if differences else 0)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def status_command(as_json: bool) -> None:
    """Show tables, runs and servers, and what is wrong.

    Each problem of the set-up is a sentence with its fix. The exit code is 1 if there is one.

    Example: crypto status --json
    """
    from commands.inspect import status

    sys.exit(status.show(load(), as_json=as_json))


@main.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: report.html in the data home]",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
def report_command(output: Path | None, open_it: bool) -> None:
    """Write one HTML page about the market, the runs and the sync.

    It shows candles, indicators, correlations, data quality, runs and syncs. Neither writing nor reading it needs an
    engine, a server or a network.

    Example: crypto report --open
    """
    from commands.inspect import report

    path = report.write(load(), output).resolve()
    click.echo(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if open_it:
        import webbrowser

        webbrowser.open(path.as_uri())


@main.command()
@click.option("--last", default=10, show_default=True, help="Show this many runs.")
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Show the run of this run_results.json instead."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def costs_command(last: int, results: Path | None, as_json: bool) -> None:
    """Show what the last runs and their models took and cost.

    Example: crypto costs --last 5
    """
    from commands.inspect import costs

    costs.show(load(), count=last, results=results, as_json=as_json)
