"""The command line ``crypto``. Each command imports its modules when it runs, so that ``--help`` is instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakehouse import ending
from lakehouse.errors import CryptoError, masked

if TYPE_CHECKING:
    from lakehouse.settings import Settings


# The engine of each dbt target on this machine.
ENGINES = {"local": "sail", "spark": "spark"}


class Commands(click.Group):
    """A group whose commands report every error as one sentence, and as a traceback only with ``--debug``."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; print what went wrong and exit with code 1, or with 130 after Ctrl-C."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            sys.exit(ending.INTERRUPTED)
        except BaseException as error:
            if context.params.get("debug"):
                raise
            sentence = masked(str(error)) if isinstance(error, CryptoError) else ending.unexpected(error)
            raise click.ClickException(sentence) from error


def program() -> None:
    """Run the command line as a process of its own."""
    ending.run(main)


def load() -> Settings:
    """Load the settings, put them into the environment, and set the process's time zone to UTC."""
    import os
    import time

    from lakehouse import settings

    os.environ["TZ"] = "UTC"
    time.tzset()
    loaded = settings.load()
    loaded.export()
    return loaded


def load_for(target: str) -> Settings:
    """Load the settings, with the engine of a dbt target."""
    from dataclasses import replace

    return replace(load(), engine=ENGINES[target])


def target_option(command: Any) -> Any:
    """Add the option ``--target`` to a command, which chooses the engine."""
    return click.option(
        "--target", type=click.Choice(list(ENGINES)), default="local", show_default=True, help="Sail, or Apache Spark."
    )(command)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="crypto-lakehouse")
def main(debug: bool) -> None:
    """Crypto trades from raw Parquet to candles, indicators and Postgres."""


@main.command()
@click.option("--to", "destination", help="Folder or s3:// address.  [default: the landing zone]")
@click.option("--trades", default=100_000, show_default=True, help="Number of trades.")
@click.option("--days", default=90, show_default=True, help="Number of whole days.")
@click.option("--files", default=2, show_default=True, help="Number of files.")
@click.option("--symbols", default="BTC,ETH,SOL,MATIC,AVAX", show_default=True, help="Symbols, separated by commas.")
@click.option("--dirt", default=0.0, show_default=True, help="Share of rows made dirty (0 to 1), besides null volumes.")
@click.option("--seed", default=42, show_default=True, help="Same seed, same bytes.")
@click.option("--if-empty", is_flag=True, help="Only if the landing zone has no file yet.")
def generate(
    destination: str | None,
    trades: int,
    days: int,
    files: int,
    symbols: str,
    dirt: float,
    seed: int,
    if_empty: bool,
) -> None:
    """Write sample trades into the landing zone.

    Example: crypto generate --trades 1000000 --days 400
    """
    from ingestion import landing_zone, sample

    settings = load()
    destination = destination or settings.landing_zone
    if if_empty and landing_zone.of(settings).list().files:
        return
    names = [name.strip() for name in symbols.split(",")]
    paths = sample.generate(destination, trades=trades, days=days, files=files, symbols=names, dirt=dirt, seed=seed)
    click.echo(f"Wrote {trades:,} trades of {days} days in {len(paths)} files to {destination}")


@main.command()
def ingest() -> None:
    """Land new files and the reference data in bronze.

    Example: crypto ingest
    """
    from lakehouse.run import lock, pipeline

    settings = load()
    with lock.exclusive(settings):
        pipeline.show_landed(pipeline.ingest(settings), click.echo)


@main.command()
@target_option
@click.option("--full-refresh", is_flag=True, help="Rebuild every table from bronze.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON only.")
def run(target: str, full_refresh: bool, as_json: bool) -> None:
    """Ingest, build and test every table, publish to Postgres, and check what was published.

    Example: crypto run
    """
    from lakehouse.run import pipeline

    sys.exit(pipeline.run(load_for(target), full_refresh=full_refresh, as_json=as_json))


@main.command()
@click.option("--plan", is_flag=True, help="Only show what a sync would change.")
@click.option("--force", is_flag=True, help="Accept a shrink beyond the limit, and compare every row.")
def sync(plan: bool, force: bool) -> None:
    """Publish gold to Postgres as it is, without a build.

    Example: crypto sync --plan
    """
    import uuid
    from contextlib import nullcontext

    from lakehouse.run import lock, pipeline
    from lakehouse.sync import declared, sync_tables

    settings = load()
    # A plan writes nothing, so it does not need the lock.
    with nullcontext() if plan else lock.exclusive(settings):
        tables, invocation_id = declared(settings.project), f"crypto sync {uuid.uuid4()}"
        for table in sync_tables(None, settings, invocation_id, tables, plan=plan, force=force):
            changes = pipeline.row_changes(table.rows_inserted, table.rows_updated, table.rows_deleted)
            click.echo(f"{table.table_name}: {table.rows_total:,} rows, {'would be ' if plan else ''}{changes}")
            for example in table.examples if plan else ():
                click.echo(f"  {example}")


@main.command()
@click.argument("file")
@click.option("--why", required=True, help="The reason, for later readers.")
def withdraw(file: str, why: str) -> None:
    """Withdraw a landed file: from the next run on, its trades are rejected.

    FILE is its path below the landing zone's trades/, as in `source_file`.

    Example: crypto withdraw 2024/01/kraken.parquet --why "prices in EUR"
    """
    from ingestion import reference

    if reference.withdraw(load(), file, why):
        click.echo(f"{file} is withdrawn; the next `crypto run` takes its trades out.")
    else:
        click.echo(f"{file} was withdrawn before, for the same reason.")


@main.command()
@click.option("--seed", type=int, help="Seed of the order, as an earlier verify printed it.  [default: a random one]")
@click.option("--batches", default=3, show_default=True, help="Number of batches to divide the files into.")
@target_option
def verify(seed: int | None, batches: int, target: str) -> None:
    """Replay all trades in another order and in pieces, and compare every silver and gold table.

    It uses a scratch home with a separate engine and publishes nothing; the live tables are only read.

    Example: crypto verify --seed 7
    """
    import secrets

    from lakehouse.inspect import verify as replay
    from lakehouse.run import lock

    settings = load()
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    click.echo(f"Seed {seed}: `crypto verify --seed {seed} --batches {batches}` repeats this order.")
    with lock.exclusive(settings):
        differences = replay.verify(settings, ENGINES[target], seed, batches, click.echo)
    for difference in differences:
        click.echo(f"{difference.table}: {difference.keys:,} rows differ, such as")
        for example in difference.examples:
            click.echo(f"  {example}")
    click.echo("The replay differs." if differences else "Every silver and gold table is equal, value for value.")
    sys.exit(1 if differences else 0)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def status(as_json: bool) -> None:
    """Show rows and latest times, the last runs, the servers, and the problems of the set-up.

    Example: crypto status --json
    """
    from lakehouse.inspect import status as report

    sys.exit(report.show(load(), as_json=as_json))


@main.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: report.html in the data home]",
)
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
def report(output: Path | None, open_it: bool) -> None:
    """Write one HTML page: candles, indicators, correlations, data quality, runs, sync.

    Neither writing nor reading the page needs an engine, a server or a network.

    Example: crypto report --open
    """
    from lakehouse.inspect import report as page

    path = page.write(load(), output).resolve()
    click.echo(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if open_it:
        import webbrowser

        webbrowser.open(path.as_uri())


@main.command()
@click.option("--last", default=10, show_default=True, help="Number of runs.")
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="A run_results.json of dbt instead.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def costs(last: int, results: Path | None, as_json: bool) -> None:
    """Show time and cost of the last runs and of each model, compared with the budget.

    Example: crypto costs --last 5
    """
    from lakehouse.inspect import costs as figures

    figures.show(load(), count=last, results=results, as_json=as_json)


@main.group()
def engine() -> None:
    """Start, stop or check the local engine."""


@engine.command("start")
def engine_start() -> None:
    """Start the engine, so that later commands need not wait for it.

    Example: crypto engine start
    """
    from lakehouse import engine as engine_module

    settings = load()
    click.echo(f"The engine runs at {engine_module.ensure(settings).url}")


@engine.command("stop")
def engine_stop() -> None:
    """Stop the engine.

    Example: crypto engine stop
    """
    from lakehouse import engine as engine_module

    click.echo("The engine is stopped." if engine_module.stop(load()) else "The engine was not running.")


@engine.command("status")
def engine_status() -> None:
    """Show whether the engine runs.

    Example: crypto engine status
    """
    from lakehouse import engine as engine_module

    running = engine_module.status(load())
    click.echo(f"The engine runs at {running.url}" if running else "The engine is not running.")


@main.group()
def postgres() -> None:
    """Start, stop or connect to the embedded Postgres."""


@postgres.command("start")
def postgres_start() -> None:
    """Start the embedded server and migrate its tables.

    Example: crypto postgres start
    """
    from lakehouse import postgres as server
    from lakehouse.postgres import migrate

    settings = load()
    with server.connect(settings) as connection:
        migrate.migrate(connection)
    click.echo("Postgres runs; `crypto postgres url` prints its address.")


@postgres.command("stop")
def postgres_stop() -> None:
    """Stop the embedded server.

    Example: crypto postgres stop
    """
    from lakehouse import postgres as server

    server.stop(load())
    click.echo("Postgres is stopped.")


@postgres.command("url")
def postgres_url() -> None:
    """Print the address for clients, including the password.

    Example: crypto postgres url
    """
    from lakehouse import postgres as server

    settings = load()
    server.ensure(settings)
    click.echo(server.url(settings))
