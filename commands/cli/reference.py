"""Commands for the reference data in Postgres: which symbols and exchanges count, and which files do not."""

from __future__ import annotations

import click

from commands.cli.group import load, main
from lakehouse.errors import CryptoError


@main.group()
def symbols_group() -> None:
    """Add to the symbols whose trades count."""


@symbols_group.command("add")
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
def exchanges_group() -> None:
    """Add to the exchanges whose trades count."""


@exchanges_group.command("add")
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
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--why", required=True, help="The reason, for later readers.")
def withdraw_command(files: tuple[str, ...], why: str) -> None:
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
