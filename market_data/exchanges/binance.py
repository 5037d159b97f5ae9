"""Binance: its archive of single and aggregated trades, its REST answers, and its API of aggregated trades.

Times are in milliseconds, in the archive from 2025 on in microseconds. ``isBuyerMaker`` true: the taker sold.
An aggregate is all that one order took at one price. Its own ids overlap those of single trades, so its id is the first
of those that it stands for.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from functools import cache
from typing import Any

from market_data.exchanges.exchange import Archive, Cursor, Exchange, Page, Paging
from market_data.formats import Format

MILLISECOND, SECOND, HOUR = 1_000, 1_000_000, 3_600_000_000
# Ids and times are not quite in the same order, so a day is read a few trades beyond its start.
MARGIN = 100
ROOT = "https://data.binance.vision/data/spot"


class AggregatedTrades(Paging):
    """Forwards by id: by time they are given for an hour only, and an hour can be empty."""

    def __init__(self, client: Any, market: Any, answer: Format) -> None:
        super().__init__(client, market, answer)
        # Times in microseconds, as in the archive since 2025.
        client.headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        self._first = cache(self._find_first)
        self._latest = 0

    def _ask(self, **asked: int) -> list[Any]:
        return self.client.publicGetAggTrades({"symbol": self.market, **asked})

    def _find_first(self, start: int, end: int) -> int | None:
        """Return the id of the first aggregate from ``start`` to before ``end``, None if there is none."""
        for hour in range(start, min(end, int(time.time() * SECOND)), HOUR):
            last = min(hour + HOUR, end) - 1
            found = self._ask(startTime=hour // MILLISECOND, endTime=last // MILLISECOND, limit=1)
            if found:
                return int(found[0]["a"])
        return None

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Go on at an id; where ids end before the day does, look by time whether they start again."""
        if cursor is None:
            self._latest = 0
            first = self._first(start, end)
            return Page([], first if first is None else max(first - MARGIN, 0), first is None)
        rows = self._ask(fromId=int(cursor), limit=self.limit)
        moments = self.answer.moments(rows)
        newest = max(moments, default=0)
        if newest < self._latest or not rows:
            # The end of the ids, or, where they have started again, older trades once more.
            again = self._first(max(self._latest + MILLISECOND, start), end)
            return Page(rows, again, again is None)
        self._latest = newest
        return Page(rows, int(rows[-1]["a"]) + 1, moments[0] >= end)

    def count(self, start: int, end: int) -> float:
        """Ids have no gaps."""
        newest = self._ask(limit=1)
        ids = range(int(newest[-1]["a"]) + 1 if newest else 0)
        return self._id_at(ids, end) - self._id_at(ids, start)

    def _id_at(self, ids: range, moment: int) -> int:
        """Return the first id at a time or later: near it if there was a trade soon after, else by bisection."""
        soon = self._first(moment, moment + 3 * HOUR)
        return soon if soon is not None else bisect_left(ids, moment, key=self._moment_of)

    def _moment_of(self, number: int) -> int:
        return self.moment(self._ask(fromId=number, limit=1)[0])


def _file(every: str, name: str) -> str:
    return f"{ROOT}/{every}/trades/{name.split('-', maxsplit=1)[0]}/{name}.zip"


BINANCE = Exchange(
    "Binance",
    "Binance Holdings Ltd.",
    "Malta",
    "https://www.binance.com",
    separator="",
    quotes=(
        *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USDD", "USD1", "PAX", "DAI", "UST", "VAI"),
        *("EUR", "EURI", "GBP", "AUD", "JPY", "TRY", "BRL", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "CZK"),
        *("ARS", "MXN", "COP", "IDRT", "BIDR", "BVND", "BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "DOT", "SOL"),
    ),
    other_names=("bnce",),
    archive=Archive(
        "Binance's archive",
        # Of recorded trades of BTCUSDT, zipped as the archive does.
        bytes_per_row=13,
        day=lambda market, day: _file("daily", f"{market.name}-trades-{day}"),
        month=lambda market, day: _file("monthly", f"{market.name}-trades-{day:%Y-%m}"),
        has_checksums=True,
        note="; a day appears there on the day after",
    ),
    ccxt="binance",
    paging=AggregatedTrades,
)
