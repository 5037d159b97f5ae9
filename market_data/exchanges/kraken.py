"""Kraken: its history of trades without ids and sides, its REST answers, and its API.

The history has a file a market, ``XBTUSD.csv``, with time in seconds, price and volume. A row of an answer is a list:
price, volume, time, side, order type, a remark and, lately, the id.
"""

from __future__ import annotations

import re
from typing import Any

from market_data.exchanges.exchange import COINS, MONEY, OTHER_QUESTION, Cursor, Exchange, NumberedPaging

SECOND = 1_000_000
# REST puts X before old coins and Z before money, both four letters long: XXBTZUSD, and USDTZUSD.
PAIR = re.compile(r"X([A-Z]{3})[XZ]([A-Z]{3})|(USDT)Z(USD)")


def _split(text: str) -> tuple[str, str] | None:
    found = PAIR.fullmatch(text)
    return (found[1] or found[3], found[2] or found[4]) if found else None


class Trades(NumberedPaging):
    """By ``last``, a time in nanoseconds that has to stay text: a double would lose its last digits.

    Several trades can have one such time, and a page can end between them, so the next one begins with that time again.
    """

    def _ask(self, since: int | None = None, count: int | None = None) -> tuple[list[Any], int]:
        """Return rows after a time in nanoseconds, and the time of the last."""
        asked = {"pair": self.market, "count": count or self.limit} | ({} if since is None else {"since": str(since)})
        result = self.client.publicGetTrades(asked)["result"]
        last = int(result.pop("last"))
        # The one key that is left is Kraken's own name of the market.
        (rows,) = result.values()
        if since and rows and self.moment(rows[0]) * 1000 + 999 < since:
            raise ValueError(OTHER_QUESTION)
        return rows, last

    def number(self, row: Any) -> int:
        """Each market has numbers of its own."""
        return int(row[6])

    def first(self, start: int) -> list[Any]:
        """Look further and further back for a trade before a time."""
        for seconds in (60, 3_600, 86_400, 30 * 86_400):
            since = (start - seconds * SECOND) * 1000
            rows, _ = self._ask(since, count=1)
            if rows and self.moment(rows[0]) < start:
                return [None, since]
        return [None, 0]

    def rows(self, cursor: list[Any]) -> tuple[list[Any], Cursor]:
        """Return the rows after a time."""
        since = cursor[1]
        rows, last = self._ask(since)
        if len(rows) >= self.limit and last - 1 <= since:
            # More trades of one nanosecond than a page has: those that are left can't be had.
            last += 1
        return rows, ([max(map(self.number, rows)) + 1, last - 1] if rows and last - 1 > since else None)

    def newest(self) -> Any | None:
        """Return the last of the latest trades."""
        return next(reversed(self._ask()[0]), None)


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
