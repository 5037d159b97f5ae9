"""Bitstamp: its REST answers in whole seconds, and its API, which gives the last 24 hours in one answer."""

from __future__ import annotations

import time
from typing import Any

from market_data.exchanges.exchange import Cursor, Exchange, Page, Paging


class Trades(Paging):
    """One answer; whoever wants whole days asks often and keeps what came."""

    def _ask(self, span: str) -> list[Any]:
        return self.client.publicGetTransactionsPair({"pair": self.market.lower(), "time": span})

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """There is but one."""
        return Page(self._ask("day"), None, True)

    def reach(self) -> int:
        """As far as an answer."""
        return int(time.time() * 1_000_000) - 86_400_000_000

    def count(self, start: int, end: int) -> float:
        """Look at the last hour."""
        return 24 * len(self._ask("hour"))


BITSTAMP = Exchange(
    "Bitstamp",
    "Bitstamp Ltd.",
    "Luxembourg",
    "https://www.bitstamp.net",
    separator="",
    other_names=("stmp",),
    ccxt="bitstamp",
    paging=Trades,
)
