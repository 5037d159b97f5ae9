"""Binance's public archive, and its twin of Binance.US: trades and aggregated trades of spot markets.

Times are in milliseconds, from 2025 in microseconds. Newer files have a header. ``isBuyerMaker`` true: the taker sold.
Aggregated trades repeat no first id within a market, but their own ids overlap those of single trades.
"""

from __future__ import annotations

import re
from pathlib import PurePath

import pyarrow as pa

from market_data import sides
from market_data.formats.found import Fields, Found, NotTrades
from market_data.formats.text import Sheet
from market_data.writer import AGGREGATED, TRADES

NAMES = {
    TRADES: ("id", "price", "qty", "quoteqty", "time", "isbuyermaker", "isbestmatch"),
    AGGREGATED: ("aggtradeid", "price", "quantity", "firsttradeid", "lasttradeid", "time", "isbuyermaker", "isbest"),
}
FIELDS = {
    TRADES: Fields("price", "qty", "time", "id", "isbuyermaker", sides.BUYER_IS_MAKER),
    AGGREGATED: Fields("price", "quantity", "time", "firsttradeid", "isbuyermaker", sides.BUYER_IS_MAKER),
}
TYPES = {"price": pa.float64(), "qty": pa.float64(), "quantity": pa.float64(), "isbuyermaker": pa.bool_()}
# The first row without a header, one letter a column; contracts lack the last column.
SHAPES = {TRADES: re.compile(r"w[wn][wn][wn]wtt"), AGGREGATED: re.compile(r"w[wn][wn]wwwtt")}
CONTRACT_SHAPES = re.compile(r"w[wn][wn][wn]wt|w[wn][wn]wwwt")
CONTRACT_FOLDERS = re.compile(r"/(futures|option)/", re.IGNORECASE)
FILE = re.compile(r"([A-Z0-9]+)-(?:trades|aggTrades)\b")


def find(given: Sheet) -> Found | None:
    """Return what a file of Binance's archive is; None for another file. Raise NotTrades for contracts."""
    kind = _kind(given)
    if kind is None:
        return None
    # The zip keeps its name more often than what is in it.
    name = FILE.match(given.member.name) or FILE.match(PurePath(given.member.where).name)
    what = "Binance's archive of aggregated trades" if kind == AGGREGATED else "Binance's archive of trades"
    fields = FIELDS[kind]
    types = {column: TYPES.get(column, pa.int64()) for column in fields.names}
    return Found(
        what,
        given.member,
        kind,
        "Binance",
        name[1] if name else None,
        fields,
        lambda: given.read(NAMES[kind], types),
    )


def _kind(given: Sheet) -> str | None:
    names, shape = given.names, given.shape
    is_trades = names[:6] == NAMES[TRADES][:6] or names[:4] == ("id", "price", "qty", "baseqty")
    is_aggregated = names[:5] == NAMES[AGGREGATED][:5]
    columns = 7 if is_trades else 8
    is_contract = bool(CONTRACT_SHAPES.fullmatch(shape)) if not names else len(names) < columns
    if (is_trades or is_aggregated or not names) and (
        is_contract or (_is_spot(shape) and CONTRACT_FOLDERS.search(str(given.member.path)))
    ):
        raise NotTrades(
            f"{given.member.where} holds trades of Binance's contracts (futures), not of a spot market; take the files "
            "below data/spot/ of the archive."
        )
    if is_trades or is_aggregated:
        return TRADES if is_trades else AGGREGATED
    return next((kind for kind, pattern in SHAPES.items() if not names and pattern.fullmatch(shape)), None)


def _is_spot(shape: str) -> bool:
    return any(pattern.fullmatch(shape) for pattern in SHAPES.values())
