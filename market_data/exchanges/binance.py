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

from market_data.exchanges.exchange import OTHER_QUESTION, Archive, Cursor, Exchange, SearchedPaging

MILLISECOND, SECOND, HOUR = 1_000, 1_000_000, 3_600_000_000
ROOT = "https://data.binance.vision/data/spot"


class AggregatedTrades(SearchedPaging):
    """By number: by time they are given for an hour only, and an hour can be empty."""

    def forget(self) -> None:
        """Look for first trades anew."""
        # Times in microseconds, as in the archive since 2025.
        self.client.headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        self._first = cache(self._find_first)
        self._latest = 0

    def _ask(self, **asked: int) -> list[Any]:
        return self.client.publicGetAggTrades({"symbol": self.market, **asked})

    def _find_first(self, start: int, end: int) -> int | None:
        """Return the number of the first aggregate from ``start`` to before ``end``, None if there is none."""
        for hour in range(start, min(end, int(time.time() * SECOND)), HOUR):
            last = min(hour + HOUR, end) - 1
            found = self._ask(startTime=hour // MILLISECOND, endTime=last // MILLISECOND, limit=1)
            if found:
                return int(found[0]["a"])
        return None

    def number(self, row: Any) -> int:
        """Aggregates have numbers of their own."""
        return int(row["a"])

    def first(self, start: int) -> list[Any]:
        """Begin anew, with no trade seen."""
        self._latest = 0
        return super().first(start)

    def rows(self, cursor: list[Any]) -> tuple[list[Any], Cursor]:
        """Return the rows from a number on."""
        rows = self._ask(fromId=cursor[0], limit=self.limit)
        newest = max(self.answer.moments(rows), default=0)
        # After numbers have started again, older trades come once more.
        if not rows or newest < self._latest:
            return rows, None
        if self.number(rows[0]) < cursor[0]:
            raise ValueError(OTHER_QUESTION)
        self._latest = newest
        return rows, [self.number(rows[-1]) + 1]

    def newest(self) -> Any | None:
        """Return the last of all."""
        return next(iter(self._ask(limit=1)), None)

    def start_again(self, start: int, end: int) -> Cursor:
        """Look by time."""
        again = self._first(max(self._latest + MILLISECOND, start), end)
        return None if again is None else [again]

    def number_at(self, moment: int) -> int:
        """Look near the time if there was a trade soon after, else by bisection."""
        soon = self._first(moment, moment + 3 * HOUR)
        if soon is not None:
            return soon
        newest = self.newest()
        numbers = range(self.number(newest) + 1 if newest else 0)
        return bisect_left(numbers, moment, key=lambda number: self.moment(self._ask(fromId=number, limit=1)[0]))


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
