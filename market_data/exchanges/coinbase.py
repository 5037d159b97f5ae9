"""Coinbase Exchange: its REST answers, which give the maker's side, and its API, which can't be asked by time."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import Any

from market_data.exchanges.exchange import Cursor, Exchange, Page, Paging
from market_data.formats import Format

# Ids and times are not quite in the same order, so a day is read a few trades beyond its end.
MARGIN = 100


class Trades(Paging):
    """Backwards by id: the id at the end of the day is found by bisection."""

    def __init__(self, client: Any, market: Any, answer: Format) -> None:
        super().__init__(client, market, answer)
        self._id_at = cache(self._find_id)
        self._moment_of = cache(self._find_moment)

    def _ask(self, **asked: int) -> list[Any]:
        return self.client.publicGetProductsIdTrades({"id": self.market, **asked})

    def _find_moment(self, number: int) -> int:
        """Return the time of the trade with this id, or of the one before it."""
        found = self._ask(after=number + 1, limit=1)
        return self.moment(found[0]) if found else 0

    def _find_id(self, moment: int) -> int:
        """Return the first id at a time or later."""
        newest = self._ask(limit=1)
        ids = range(1, int(newest[0]["trade_id"]) + 1 if newest else 1)
        return bisect_left(ids, moment, key=self._moment_of) + 1

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Ask for what came before an id."""
        after = int(cursor) if cursor is not None else self._id_at(end) + MARGIN
        rows = self._ask(after=after, limit=self.limit)
        return Page(rows, int(rows[-1]["trade_id"]) if rows else after, not rows or self.moment(rows[0]) < start)

    def count(self, start: int, end: int) -> float:
        """Ids have few gaps."""
        return self._id_at(end) - self._id_at(start)


COINBASE = Exchange(
    "Coinbase",
    "Coinbase Global, Inc.",
    "United States",
    "https://www.coinbase.com",
    other_names=("coinbaseadvanced", "coinbaseexchange", "coinbasepro", "gdax", "cbse"),
    ccxt="coinbaseexchange",
    paging=Trades,
)
