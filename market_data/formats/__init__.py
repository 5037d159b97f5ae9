"""The layouts in which exchanges and tools give out trades: one module each, and what a file is found to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lakehouse.errors import CryptoError
from market_data.formats import answers, binance, freqtrade, not_trades, own, stored, tardis, three_columns
from market_data.formats.found import Fields, Found, NotTrades, Options
from market_data.formats.text import sheet
from market_data.members import Member, members

__all__ = ["Fields", "Found", "NotTrades", "Options", "batches", "find"]

KNOWN = (binance.find, three_columns.find, tardis.find, freqtrade.find_sheet)


def find(member: Member, options: Options) -> Found:
    """Return what a file of trades is; raise NotTrades, by name, if it is something else.

    ``--columns`` takes the place of looking: the file is then one of the user's own.
    """
    if stored.is_stored(member):
        schema = stored.schema(member)
        known = None if options.columns else freqtrade.find_stored(member, schema)
        if not known and not options.columns:
            _refuse(member, not_trades.told_by_names(schema.names))
        return known or own.find_stored(member, schema, options)
    if not options.columns and (answer := answers.find(member)):
        return answer
    if member.head.lstrip().startswith(b"<"):
        raise NotTrades(
            f"{member.where} is a web page or an error message, not the file it is named after; get it again."
        )
    given = sheet(member)
    if given is None:
        raise NotTrades(f"{member.where} is no file of trades that is known here.")
    if options.columns:
        return own.find_sheet(given, options)
    _refuse(member, not_trades.told_by_rows(given))
    for look in KNOWN:
        if found := look(given):
            return found
    _refuse(member, not_trades.told_by_names(given.titles))
    return own.find_sheet(given, options)


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the trades of a known kind of file with the writer's columns, a side null where the file gives none."""
    refused: list[str] = []
    for member in members([path], refused.append):
        yield from find(member, Options()).batches()
    if refused:
        raise CryptoError(refused[0])


def _refuse(member: Member, told: str | None) -> None:
    if told:
        raise NotTrades(f"{member.where} holds {told}.")
