"""Commands for the reference data in Postgres: which symbols and exchanges count, and which files do not."""

from __future__ import annotations

import click

from commands.cli.group import form_option, load, main
from lakehouse.errors import CryptoError


@main.group()
def symbols_group() -> None:
    """List, add or deactivate symbols whose trades count."""


@symbols_group.command("list")
@form_option
def symbols_list(form: str) -> None:
    """Show the symbols whose trades count.

    Example: crypto symbols list
    """
    _show("symbols", form)


@symbols_group.command("deactivate")
@click.argument("names", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--undo", is_flag=True, help="Mark them as traded again.")
def symbols_deactivate(names: tuple[str, ...], undo: bool) -> None:
    """Mark symbols as no longer traded; their history stays.

    Example: crypto symbols deactivate MATIC
    """
    from lakehouse.postgres import reference

    reference.set_active(load(), names, is_active=undo)
    click.echo(f"{', '.join(names)} {'counts as traded again' if undo else 'counts as no longer traded'}.")


@symbols_group.command("add")
@click.argument("names", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--name", help="Name of the asset, if one symbol is added.  [default: the symbol]")
@click.option("--category", default="other", show_default=True, help="Category of the asset, such as scaling.")
def symbols_add(names: tuple[str, ...], name: str | None, category: str) -> None:
    """Add symbols, whose trades count from the next run on.

    Trades that were rejected because the symbol was missing count then too.

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
    """List or add exchanges whose trades count."""


@exchanges_group.command("list")
@form_option
def exchanges_list(form: str) -> None:
    """Show the exchanges whose trades count.

    Example: crypto exchanges list
    """
    _show("exchanges", form)


@exchanges_group.command("add")
@click.argument("exchange")
@click.option("--name", help="Name of the company.  [default: the exchange]")
@click.option("--country", default="unknown", show_default=True, help="Country of its head office.")
@click.option("--website", default="unknown", show_default=True, help="Address of its home page.")
def exchanges_add(exchange: str, name: str | None, country: str, website: str) -> None:
    """Add an exchange, whose trades count from the next run on.

    Trades that were rejected because the exchange was missing count then too.

    Example: crypto exchanges add Bitstamp --country Luxembourg
    """
    from lakehouse.postgres import reference

    added = reference.add_exchange(load(), exchange, name or exchange, country, website)
    click.echo(f"{exchange} is added; the next `crypto run` takes in its trades." if added else f"{exchange} is there.")


@main.command()
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--why", help="Why the file is wrong, for later readers.")
@click.option("--undo", is_flag=True, help="Let the files' trades count again.")
@click.option("--list", "list_them", is_flag=True, help="Show which files are withdrawn, and why.")
def withdraw_command(files: tuple[str, ...], why: str | None, undo: bool, list_them: bool) -> None:
    """Reject the trades of files from the next run on.

    FILE is a path below trades/ of the landing zone, as the column `source_file` has it.

    Example: crypto withdraw 2024/01/kraken.parquet --why "prices in EUR"
    """
    from ingestion import reference

    if list_them:
        _show("withdrawn_files", "table")
        return
    if not files or bool(why) == undo:
        raise click.UsageError("Name the files, and either the reason with --why, or --undo.")
    if undo:
        reference.restore(load(), files)
        for file in files:
            click.echo(f"{file} counts again; the next `crypto run` takes its trades in.")
        return
    added = reference.withdraw(load(), files, str(why))
    for file in files:
        if file in added:
            click.echo(f"{file} is withdrawn; the next `crypto run` takes its trades out.")
        else:
            click.echo(f"{file} was withdrawn before, for the same reason.")


def _show(table: str, form: str) -> None:
    from commands.inspect import query
    from lakehouse.postgres import reference

    query.show(query.Answer(*reference.entries(load(), table)), form)
