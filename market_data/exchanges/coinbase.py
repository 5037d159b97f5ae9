"""Coinbase Exchange: its REST answers, which give the maker's side, and its API, which can't be asked by time."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import Any

from market_data.exchanges.exchange import Cursor, Exchange, SearchedPaging


class Trades(SearchedPaging):
    """By number: that at the beginning of the day is found by bisection."""

    lowest = 1

    def forget(self) -> None:
        """Look for numbers anew."""
        self._find_number = cache(self._bisect)
        self._moment_of = cache(self._find_moment)

    def _ask(self, **asked: int) -> list[Any]:
        """Return the trades below the number ``after``, the newest first."""
        return self.client.publicGetProductsIdTrades({"id": self.market, **asked})

    def _find_moment(self, number: int) -> int:
        """Return the time of the trade with this number, or of the one before it."""
        found = self._ask(after=number + 1, limit=1)
        return self.moment(found[0]) if found else 0

    def number_at(self, moment: int) -> int:
        """Return what was found before, if it was."""
        return self._find_number(moment)

    def _bisect(self, moment: int) -> int:
        newest = self.newest()
        numbers = range(1, self.number(newest) + 1 if newest else 1)
        return bisect_left(numbers, moment, key=self._moment_of) + 1

    def number(self, row: Any) -> int:
        """Each market has numbers of its own."""
        return int(row["trade_id"])

    def rows(self, cursor: list[Any]) -> tuple[list[Any], Cursor]:
        """Return the rows of a page of numbers, and older ones where some of these are not there."""
        after = cursor[0] + self.limit
        rows: list[Any] = []
        while not rows or self.number(rows[0]) > cursor[0]:
            older = self._ask(after=self.number(rows[0]) if rows else after, limit=self.limit)[::-1]
            if not older or (rows and self.number(older[0]) >= self.number(rows[0])):
                break
            rows = older + rows
        if rows and self.number(rows[-1]) >= cursor[0]:
            return rows, [self.number(rows[-1]) + 1]
        newest = self.newest() if rows else None
        # A page of numbers that are not there is passed over if there are later ones.
        return rows, ([after] if newest and self.number(newest) >= after else None)

    def newest(self) -> Any | None:
        """Return the first of the latest trades."""
        return next(iter(self._ask(limit=1)), None)


COINBASE = Exchange(
    "Coinbase",
    "Coinbase Global, Inc.",
    "United States",
    "https://www.coinbase.com",
    other_names=("coinbaseadvanced", "coinbaseexchange", "coinbasepro", "gdax", "cbse"),
    ccxt="coinbaseexchange",
    paging=Trades,
)
