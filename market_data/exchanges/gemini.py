"""Gemini: its REST answers in milliseconds, and its API, which reaches back some days only."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from lakehouse.errors import CryptoError
from market_data.exchanges.exchange import COINS, MONEY, Cursor, Exchange, Page, Paging

MILLISECOND, SECOND = 1_000, 1_000_000


class Trades(Paging):
    """Forwards by id from the first trade of the day."""

    limit = 500

    def forget(self) -> None:
        """Look for the earliest trade anew."""
        self._earliest = cache(self._find_earliest)

    def _ask(self, **asked: int) -> list[Any]:
        asked = {"limit_trades": self.limit} | asked
        rows = self.client.publicGetV1TradesSymbol({"symbol": self.market.lower(), **asked})
        return sorted(rows, key=lambda row: int(row["tid"]))

    def _find_earliest(self) -> int:
        found = self._ask(since_tid=0, limit_trades=1)
        return self.moment(found[0]) if found else 0

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Ask for what came after an id, the first time after a time."""
        if cursor is not None:
            rows = self._ask(since_tid=cursor[0])
        else:
            if self._earliest() > start:
                since = datetime.fromtimestamp(self._earliest() / SECOND).isoformat(" ", "minutes")
                raise CryptoError(f"Gemini's API gives trades since {since} UTC only; ask for whole days after that.")
            asked = {"timestamp": start // MILLISECOND - 1}
            rows = self._ask(**asked)
            # A full page must be the oldest trades of what was asked for, not the newest.
            if len(rows) == self.limit and self._ask(**asked, limit_trades=1)[0]["tid"] != rows[0]["tid"]:
                raise CryptoError("Gemini's API answers in an order that is not known; nothing of that day is written.")
        if not rows:
            # Numbers are those of all markets, so that only the newest trade tells whether this was the last.
            newest = self._ask(limit_trades=1)
            is_last = not newest or (int(newest[-1]["tid"]) <= cursor[0] if cursor else self.moment(newest[-1]) < start)
            return Page(rows, cursor, is_last, "no trades, though there are newer ones")
        return Page(rows, [int(rows[-1]["tid"])], self.moment(rows[0]) >= end)


GEMINI = Exchange(
    "Gemini",
    "Gemini Trust Company, LLC",
    "United States",
    "https://www.gemini.com",
    separator="",
    quotes=(*MONEY, *COINS, "BCH", "LTC", "FIL", "DOGE"),
    other_names=("gmni",),
    ccxt="gemini",
    paging=Trades,
)
