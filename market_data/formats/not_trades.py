"""Market data that is no trades: candles, order books, quotes and figures of contracts, told by their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from market_data.formats.text import Sheet, plain

CANDLES = {"open", "high", "low", "close"}
BOOK = re.compile(r"bid|ask|issnapshot|orderbook|depth|level")
CONTRACTS = re.compile(r"fundingrate|openinterest|markprice|strike|liquidation")
# Rows of candles without a header: Kraken has 7 or 8 numbers, Binance 12; freqtrade 6.
CANDLE_ROW = re.compile(r"[wn]{6,12}")

A_CANDLE = "candles (open, high, low, close), of which trades can't be made; look for the source's trades"
A_BOOK = "an order book or quotes, not trades; look for the source's trades"
A_CONTRACT = "figures of contracts (futures, swaps, options), not trades of a spot market"


def told_by_names(names: Iterable[str]) -> str | None:
    """Return what data with such columns is, if it is known to be no trades."""
    known = {plain(name) for name in names}
    if known >= CANDLES or known >= {"o", "h", "l", "c"}:
        return A_CANDLE
    if any(CONTRACTS.search(name) for name in known):
        return A_CONTRACT
    if any(BOOK.search(name) for name in known):
        return A_BOOK
    return None


def told_by_rows(given: Sheet) -> str | None:
    """Return what a CSV file without a header is, if it is known to be no trades."""
    return A_CANDLE if not given.titles and CANDLE_ROW.fullmatch(given.shape) else None
