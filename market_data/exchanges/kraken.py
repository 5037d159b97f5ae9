"""Kraken: its history of trades without ids and sides, its REST answers, and its API.

The history has a file a market, ``XBTUSD.csv``, with time in seconds, price and volume. A row of an answer is a list:
price, volume, time, side, order type, a remark and, lately, the id.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from market_data.exchanges.exchange import COINS, MONEY, Answer, Cursor, Exchange, Page, Paging
from market_data.normalise import Columns
from market_data.tables import CsvFile
from market_data.trade_files import WITHOUT_IDS, NotTrades, TradeFile

HISTORY = ("time", "price", "volume")
FILE = re.compile(r"[A-Z0-9.]{5,}")
# REST puts X before old coins and Z before money, both four letters long: XXBTZUSD, and USDTZUSD.
PAIR = re.compile(r"X([A-Z]{3})[XZ]([A-Z]{3})|(USDT)Z(USD)")
# Before an answer had ids, its rows had one value less.
ID = 6


def find_csv(csv: CsvFile) -> TradeFile | None:
    """Return what a file of the history is; None for another file."""
    name = csv.file.name
    return find_history(csv, "Kraken's history of trades", "Kraken", name) if FILE.fullmatch(name) else None


def find_history(csv: CsvFile, what: str, exchange: str | None, market: str | None) -> TradeFile | None:
    """Return a file of times, prices and volumes without a header, whosever it is; None for another file."""
    if csv.titles or not re.fullmatch(r"[wn]{3}", csv.shape):
        return None
    columns, types = Columns("price", "volume", "time"), dict.fromkeys(HISTORY, pa.float64())
    return TradeFile(what, csv.file, WITHOUT_IDS, exchange, market, columns, lambda: csv.read(HISTORY, types))


def _is_row(row: Any) -> bool:
    if not (isinstance(row, list) and len(row) >= ID and row[3] in ("b", "s") and row[4] in ("l", "m")):
        return False
    if len(row) == ID:
        raise NotTrades("an answer of Kraken without ids of trades; take Kraken's history instead")
    return True


def _split(text: str) -> tuple[str, str] | None:
    found = PAIR.fullmatch(text)
    return (found[1] or found[3], found[2] or found[4]) if found else None


class Trades(Paging):
    """Forwards by ``last``, a time in nanoseconds that has to stay text: a double would lose its last digits."""

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Ask for what came after ``last``."""
        since = str(cursor or start * 1000 - 1)
        asked = {"pair": self.market, "since": since, "count": self.limit}
        result = self.client.publicGetTrades(asked)["result"]
        last = str(result.pop("last"))
        # The one key that is left is Kraken's own name of the market.
        (rows,) = result.values()
        return Page(rows, last, not rows or self.moment(rows[0]) >= end)


KRAKEN = Exchange(
    "Kraken",
    "Payward, Inc.",
    "United States",
    "https://www.kraken.com",
    separator="",
    quotes=(*MONEY, *COINS, "DOT", "PYUSD", "RLUSD", "AED"),
    codes={"BTC": "XBT", "DOGE": "XDG"},
    split=_split,
    find_csv=find_csv,
    answers=(Answer(Columns("0", "1", "2", str(ID), "3"), _is_row),),
    ccxt="kraken",
    paging=Trades,
)
