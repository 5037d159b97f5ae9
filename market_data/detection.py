"""What a file is, told by its columns: trades of an exchange or a tool, or what is no trades and is refused by name."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePath

import pyarrow as pa
import pyarrow.compute as pc

from market_data import exchanges
from market_data.formats import A_CONTRACT, CONTRACT_NAME, CONTRACT_PLACE, FORMATS, Format
from market_data.input_files import InputFile
from market_data.normalise import SHORTENED
from market_data.tables import Table, plain, tables_in
from market_data.tools import own_columns
from market_data.tools.own_columns import SYNONYMS
from market_data.trade_files import ImportOptions, NotTrades, TradeFile

BOOK = re.compile(r"issnapshot|orderbook|^(bids|asks)$")
QUOTES = re.compile(r"^(best)?(bid|ask)s?(price|px|amount|amt|size|sz|qty|quantity|vol|volume)?\d*$")
CONTRACTS = re.compile(r"fundingrate|openinterest|markprice|strike|liquidation")
# Rows of candles without a header: Kraken has 7 or 8 numbers, Binance 12; freqtrade 6.
CANDLE_ROW = re.compile(r"-?[\d.]+(,-?[\d.]*([eE]-?\d+)?){5,11}")
OTHER_FILES = (
    (b"<", "is a web page or an error message, not the file it is named after; get it again."),
    (b"\x89HDF", "is HDF5; convert it: freqtrade convert-trade-data --format-from hdf5 --format-to feather."),
    (b"\x93NUMPY", "is an array of NumPy, such as hftbacktest's events; write its trades as CSV or Parquet."),
)


def detect(file: InputFile, options: ImportOptions) -> TradeFile:
    """Return what a file of trades is; raise NotTrades, by name, if it is something else.

    With ``--columns`` the file is one of the user's own, unless the columns are those that are known of it.
    """
    for magic, what in OTHER_FILES:
        if file.head.lstrip()[: len(magic)] == magic:
            raise NotTrades(f"{file.where} {what}")
    tables = tables_in(file)
    if not tables:
        raise NotTrades(f"{file.where} is no file of trades that is known here.")
    found = next(filter(None, map(_known, tables)), None)
    if found and options.sides:
        found = replace(found, columns=replace(found.columns, sides=options.sides))
    if not found or options.columns:
        own = max(tables, key=lambda table: len(table.titles))
        if not options.columns:
            _refuse_others(own)
        mine = own_columns.trade_file(own, options)
        found = own_columns.agree(found, mine) if found else mine
    return _with_ids(found, options)


def _known(table: Table) -> TradeFile | None:
    """Return a table of a known layout as trades; raise NotTrades for contracts."""
    if CONTRACT_PLACE.search(f"{table.place}\n/{PurePath(table.file.where).name}"):
        raise NotTrades(f"{table.file.where} holds {A_CONTRACT}.")
    for one in FORMATS:
        if one.fits(table):
            return one.trade_file(table, *_named(one, table))
    if named := next(filter(CONTRACT_NAME.fullmatch, table.first), None):
        raise NotTrades(f"{table.file.where} ({named}) holds {A_CONTRACT}.")
    return None


def _named(one: Format, table: Table) -> tuple[str | None, str | None]:
    """Return the exchange and the market of a table as far as its layout and its place tell them."""
    said = one.named(table)
    folder = said.get("folder", "")
    exchange = one.exchange or said.get("exchange") or (folder if exchanges.is_known(folder) else None)
    market = said.get("market") or (_market_in(exchange, table) if exchange and not one.columns.market else None)
    return exchange, market


def _refuse_others(table: Table) -> None:
    """Raise NotTrades for columns that are known to be no trades."""
    known = {plain(title) for title in (*table.titles, table.place.split("\n")[-1])}
    has_trades = {"price", "volume"} <= {SYNONYMS.get(name, name) for name in known}
    is_row = not table.has_titles and CANDLE_ROW.fullmatch(",".join(table.first))
    what = None
    if known >= {"open", "high", "low", "close"} or known >= {"o", "h", "l", "c"} or is_row:
        what = "candles (open, high, low, close), of which trades can't be made; look for the source's trades"
    elif any(BOOK.search(name) for name in known) or (not has_trades and any(map(QUOTES.search, known))):
        what = "an order book or quotes, not trades; look for the source's trades"
    elif not has_trades and any(CONTRACTS.search(name) for name in known):
        what = "figures of contracts (futures, swaps, options), not trades of a spot market"
    if what:
        raise NotTrades(f"{table.file.where} holds {what}.")


def _with_ids(file: TradeFile, options: ImportOptions) -> TradeFile:
    """Return the file without ids if it has none, or none that tell its trades apart."""
    if not file.columns.id or options.without_ids:
        return file.without_ids()
    ids = next((batch.column("id") for batch in file.trades() if batch.num_rows), pa.array(["none"]))
    if ids.null_count == len(ids):
        return file.without_ids()
    if pc.any(pc.match_substring_regex(ids.cast("string"), SHORTENED)).as_py():
        return file.without_ids(f"its ids were shortened by a spreadsheet ({ids[0].as_py()})")
    return file


def _market_in(exchange: str, table: Table) -> str | None:
    """Return the part of a file's name, or of the keys above its rows, that is a market: BTC-USD in ``x_BTC-USD``."""
    place = exchanges.find(exchange)
    beside = table.place.split("\n")[1:]
    for name in (*beside, table.file.name, PurePath(table.file.where).name):
        parts = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
        # The last pair first: in data_BTC-USD it is the market.
        for part in (*("-".join(pair) for pair in reversed(list(pairwise(parts)))), *parts):
            if (found := place.find_market(part)) and not exchanges.is_known(found.base):
                return part
    return None
