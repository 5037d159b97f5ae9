"""The command line ``crypto``. Each command imports its modules when it runs, so that ``--help`` is instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import process
from lakehouse.errors import CryptoError, masked

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse.settings import Settings


# The engine of each dbt target on this machine.
ENGINES = {"local": "sail", "spark": "spark"}
DATE = click.DateTime(["%Y-%m-%d"])


class Commands(click.Group):
    """A group whose commands report every error as one sentence, and as a traceback only with ``--debug``."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; print what went wrong and exit with code 1, or with 130 after Ctrl-C."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except KeyboardInterrupt as stop:
            click.echo(f"Stopped{'; ' if stop.args else ''}{stop}.", err=True)
            sys.exit(process.INTERRUPTED)
        except BaseException as error:
            if context.params.get("debug"):
                raise
            sentence = masked(str(error)) if isinstance(error, CryptoError) else process.unexpected(error)
            raise click.ClickException(sentence) from error


def program() -> None:
    """Run the command line as a process of its own."""
    process.run(main)


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
    from ingestion import landing_zone
    from market_data import sample

    settings = load()
    destination = destination or settings.landing_zone
    if if_empty and landing_zone.of(settings).list().files:
        return
    names = [name.strip() for name in symbols.split(",")]
    paths = sample.generate(destination, trades=trades, days=days, files=files, symbols=names, dirt=dirt, seed=seed)
    click.echo(f"Wrote {trades:,} trades of {days} days in {len(paths)} files to {destination}")


@main.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(path_type=Path))
@click.option("--exchange", help="The exchange, where the files don't say it, such as Kraken.")
@click.option("--market", help="The market, where the files don't say it, such as BTC/USD.")
@click.option("--columns", help="Columns of your own files, such as price=px,volume=qty,timestamp=ts,trade_type=side.")
@click.option(
    "--side",
    type=click.Choice(["tick-rule", "maker"]),
    help="Estimate missing sides from the price before; or: your own files give the maker's side.",
)
@click.option(
    "--per",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Count so many units of the base as one: 1000PEPE.",
)
@click.option("--replace", is_flag=True, help="Let another kind of trades take the place of a day that is there.")
@click.option("--dry-run", is_flag=True, help="Only show what the files are and five rows.")
def import_(
    paths: tuple[Path, ...],
    exchange: str | None,
    market: str | None,
    columns: str | None,
    side: str | None,
    per: int,
    replace: bool,
    dry_run: bool,
) -> None:
    """Turn archives of trades into raw trades in the landing zone.

    Takes what Binance, Kraken, bitcoincharts, Tardis and freqtrade give out, answers of Coinbase, Bitstamp, Gemini,
    Binance and Kraken saved as JSON, and your own CSV, Parquet and Feather files; plain, as .gz or as .zip. It says
    what it took each file for and shows five rows. docs/market_data.md says more.

    Example: crypto import downloads/BTCUSDT-trades-2024-01.zip
    """
    from market_data import importing
    from market_data.formats import Options, own

    settings = load()
    mapping = own.mapping(columns) if columns else {}
    options = Options(exchange, market, mapping, side, per, replace)
    sys.exit(importing.run(settings, paths, options, click.echo, dry_run=dry_run))


@main.group()
def symbols() -> None:
    """Add to the symbols whose trades count."""


@symbols.command("add")
@click.argument("names", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--name", help="Name of the asset, for one symbol.  [default: the symbol]")
@click.option("--category", default="other", show_default=True, help="Kind of the asset, such as scaling.")
def symbols_add(names: tuple[str, ...], name: str | None, category: str) -> None:
    """Add symbols: the next run takes in their trades, those that were rejected before too.

    Example: crypto symbols add BTC/EUR --name "Bitcoin in euros"
    """
    from lakehouse.postgres import reference

    if name and len(names) > 1:
        raise CryptoError("--name is the name of one symbol; add the symbols one by one, or without it.")
    added = reference.add_symbols(load(), {symbol: name or symbol for symbol in names}, category)
    for symbol in names:
        end = "is added; the next `crypto run` takes in its trades." if symbol in added else "is there."
        click.echo(f"{symbol} {end}")


@main.group()
def exchanges() -> None:
    """Add to the exchanges whose trades count."""


@exchanges.command("add")
@click.argument("exchange")
@click.option("--name", help="Name of the company.  [default: the exchange]")
@click.option("--country", default="unknown", show_default=True, help="Country of its head office.")
@click.option("--website", default="unknown", show_default=True, help="Address of its home page.")
def exchanges_add(exchange: str, name: str | None, country: str, website: str) -> None:
    """Add an exchange: the next run takes in its trades, those that it rejected before too.

    Example: crypto exchanges add Bitstamp --country Luxembourg
    """
    from lakehouse.postgres import reference

    added = reference.add_exchange(load(), exchange, name or exchange, country, website)
    click.echo(f"{exchange} is added; the next `crypto run` takes in its trades." if added else f"{exchange} is there.")


@main.command()
@click.argument("exchange")
@click.argument("markets", nargs=-1, required=True, metavar="MARKET...")
@click.option("--since", type=DATE, metavar="DATE", help="The first day, UTC, as 2024-08-31.  [default: yesterday]")
@click.option("--until", type=DATE, metavar="DATE", help="The last day, included.  [default: yesterday]")
@click.option(
    "--from",
    "source",
    type=click.Choice(["archive", "api", "tardis"]),
    help="Where from.  [default: Binance's archive, else the exchange's API]",
)
@click.option("--today", is_flag=True, help="Also what there is of today, which is not over.")
@click.option("--side", type=click.Choice(["tick-rule"]), help="Estimate missing sides from the price before.")
@click.option("--per", default=1, show_default=True, help="Count so many units of the base as one: 1000PEPE.")
@click.option("--without-ids", is_flag=True, help="Number trades by second and place, where an exchange's ids repeat.")
@click.option("--replace", is_flag=True, help="Let another kind of trades take the place of a day that is there.")
@click.option("--again", is_flag=True, help="Also days that were fetched before.")
@click.option("--dry-run", is_flag=True, help="Only say about how much it is.")
def fetch(
    exchange: str,
    markets: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    source: str | None,
    today: bool,
    side: str | None,
    per: int,
    without_ids: bool,
    replace: bool,
    again: bool,
    dry_run: bool,
) -> None:
    """Fetch trades of whole UTC days from an exchange into the landing zone.

    From Binance's public archive, from Tardis' free first days of months, or from the API of Binance, Kraken, Coinbase,
    Bitstamp or Gemini. It says first about how much it is, and goes on where it stopped. docs/market_data.md says more.

    Example: crypto fetch binance BTCUSDT ETHUSDT --since 2024-08-01
    """
    from market_data import fetch as fetching
    from market_data.fetch.source import Wanted

    try:
        fetching.run(
            load(),
            exchange,
            markets,
            since.date() if since else None,
            until.date() if until else None,
            Wanted(replace, without_ids, tick_rule=side is not None, with_today=today),
            click.echo,
            source=source,
            per=per,
            again=again,
            dry_run=dry_run,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from here") from None


@main.command()
@target_option
def ingest(target: str) -> None:
    """Land new files and the reference data in bronze.

    Example: crypto ingest
    """
    from commands.run import lock, pipeline

    settings = load_for(target)
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
    from commands.run import pipeline

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

    from commands.run import lock, pipeline
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
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--why", required=True, help="The reason, for later readers.")
def withdraw(files: tuple[str, ...], why: str) -> None:
    """Withdraw files: from the next run on, their trades are rejected.

    FILE is its path below the landing zone's trades/, as in `source_file`.

    Example: crypto withdraw 2024/01/kraken.parquet --why "prices in EUR"
    """
    from ingestion import reference

    added = reference.withdraw(load(), files, why)
    for file in files:
        if file in added:
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

    from commands.inspect import verify as replay
    from commands.run import lock

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
    from commands.inspect import status as report

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
    from commands.inspect import report as page

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
    from commands.inspect import costs as figures

    figures.show(load(), count=last, results=results, as_json=as_json)


@main.group()
def engine() -> None:
    """Start, stop or check the local engine."""


@engine.command("start")
@target_option
def engine_start(target: str) -> None:
    """Start the engine, so that later commands need not wait for it.

    Example: crypto engine start
    """
    from lakehouse import engine as engine_module

    settings = load_for(target)
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
