"""Commands that write raw trades into the landing zone: sample ones, and what exchanges and other programs give out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.cli.group import load, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

DATE = click.DateTime(["%Y-%m-%d"])


def landing_options(*sides: str, side_help: str) -> Callable[[Any], Any]:
    """Return a decorator that adds the options ``--side``, ``--per`` and ``--replace`` to a command."""
    options = (
        click.option("--side", type=click.Choice(sides), help=side_help),
        click.option(
            "--per",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Units of the base that count as one, for tiny prices: 1000 makes PEPE the symbol 1000PEPE.",
        ),
        click.option(
            "--replace",
            is_flag=True,
            help="Write a day although another kind of trades is there, which you withdraw then.",
        ),
    )

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@main.command()
@click.option("--to", "destination", help="Folder or s3:// address.  [default: the landing zone]")
@click.option("--trades", default=100_000, show_default=True, help="Number of trades.")
@click.option("--days", default=90, show_default=True, help="Number of whole days.")
@click.option("--files", default=2, show_default=True, help="Number of files.")
@click.option("--symbols", default="BTC,ETH,SOL,MATIC,AVAX", show_default=True, help="Symbols, separated by commas.")
@click.option("--dirt", default=0.0, show_default=True, help="Share of rows made dirty (0 to 1), besides null volumes.")
@click.option("--seed", default=42, show_default=True, help="Same seed, same bytes.")
@click.option("--if-empty", is_flag=True, help="Write nothing if there is a Parquet file already.")
def generate_command(
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
    from lakehouse.storage import raw_files
    from market_data import sample

    settings = load()
    destination = destination or settings.landing_zone
    if if_empty and landing_zone.at(destination, settings).list().files:
        return
    names = [name.strip() for name in symbols.split(",")]
    zone = raw_files.at(destination, settings)
    paths = sample.generate(zone, trades=trades, days=days, files=files, symbols=names, dirt=dirt, seed=seed)
    click.echo(f"Wrote {trades:,} trades of {days} days in {len(paths)} files to {destination}")


@main.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(path_type=Path))
@click.option("--exchange", help="The exchange, where the files don't say it, such as Kraken.")
@click.option("--market", help="The market, where the files don't say it, such as BTC/USD.")
@click.option("--columns", help="Columns of your own files, such as price=px,volume=qty,timestamp=ts,trade_type=side.")
@landing_options(
    "tick-rule",
    "maker",
    side_help="tick-rule estimates missing sides from the price before; maker: your own files give the maker's side.",
)
@click.option(
    "--sides",
    help="What your column of sides holds, such as buy=2,sell=1 or sell=true; sign: a negative amount is a sale.",
)
@click.option("--without-ids", is_flag=True, help="Number trades by second and place, where ids are of no use.")
@click.option("--dry-run", is_flag=True, help="Show what the files are and five rows, and write nothing.")
def import_command(
    paths: tuple[Path, ...], columns: str | None, sides: str | None, replace: bool, dry_run: bool, **given: Any
) -> None:
    """Turn archives of trades into raw trades in the landing zone.

    Takes archives and saved answers of exchanges, what tools such as CCXT, freqtrade, Tardis and nautilus store, and
    your own CSV, Parquet, Feather and JSON files, compressed or not. It says what it took each file for and shows five
    rows. docs/market_data.md lists what it knows.

    Example: crypto import downloads/BTCUSDT-trades-2024-01.zip
    """
    from market_data import import_files
    from market_data.normalise import parse_sides
    from market_data.tools import own_columns
    from market_data.trade_files import ImportOptions

    settings = load()
    mapping = own_columns.parse_mapping(columns) if columns else {}
    meanings = parse_sides(sides) if sides else None
    options = ImportOptions(columns=mapping, sides=meanings, may_replace=replace, **given)
    sys.exit(import_files.run(settings, paths, options, click.echo, dry_run=dry_run))


@main.command()
@click.argument("exchange")
@click.argument("markets", nargs=-1, required=True, metavar="MARKET...")
@click.option("--since", type=DATE, metavar="DATE", help="The first day, UTC, as 2024-08-31.  [default: yesterday]")
@click.option("--until", type=DATE, metavar="DATE", help="The last day, included.  [default: yesterday]")
@click.option(
    "--from",
    "source",
    type=click.Choice(["archive", "api", "tardis"]),
    help="Where to fetch from.  [default: Binance's archive, else the exchange's API]",
)
@click.option("--today", is_flag=True, help="Fetch the trades that today has so far, too.")
@landing_options("tick-rule", side_help="Estimate missing sides from the price before.")
@click.option("--without-ids", is_flag=True, help="Number trades by second and place, where an exchange's ids repeat.")
@click.option("--incomplete", is_flag=True, help="Write days of which trades are missing, too.")
@click.option(
    "--wait",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Minutes to wait at most for an answer of an exchange that is busy or tells us to wait.",
)
@click.option("--again", is_flag=True, help="Fetch days that were fetched before, too.")
@click.option("--dry-run", is_flag=True, help="Say about how many trades and bytes it is, and fetch nothing.")
def fetch_command(
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
    incomplete: bool,
    wait: int,
    again: bool,
    dry_run: bool,
) -> None:
    """Fetch trades of whole UTC days from an exchange into the landing zone.

    From Binance's public archive, from Tardis' free first days of months, or from the API of Binance, Kraken, Coinbase,
    Bitstamp, Gemini and whatever CCXT knows. It says first about how much it is, and goes on where it stopped. Trades
    that are missing are named, and the exit code is 1 then. docs/market_data.md says more.

    Example: crypto fetch binance BTCUSDT ETHUSDT --since 2024-08-01
    """
    from market_data import fetch as fetching
    from market_data.fetch.plan import FetchOptions

    try:
        code = fetching.run(
            load(),
            exchange,
            markets,
            since.date() if since else None,
            until.date() if until else None,
            FetchOptions(replace, without_ids, side is not None, today, incomplete),
            click.echo,
            source=source,
            per=per,
            again=again,
            dry_run=dry_run,
            wait=wait * 60,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from here") from None
    sys.exit(code)
