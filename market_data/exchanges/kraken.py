"""Kraken: its history of trades without ids and sides, its REST answers, and its API.

The history has a file a market, ``XBTUSD.csv``, with time in seconds, price and volume. A row of an answer is a list:
price, volume, time, side, order type, a remark and, lately, the id.
"""

from __future__ import annotations

import re

from market_data.exchanges.exchange import COINS, MONEY, Cursor, Exchange, Page, Paging

# REST puts X before old coins and Z before money, both four letters long: XXBTZUSD, and USDTZUSD.
PAIR = re.compile(r"X([A-Z]{3})[XZ]([A-Z]{3})|(USDT)Z(USD)")


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
    other_names=("krkn",),
    ccxt="kraken",
    paging=Trades,
)
