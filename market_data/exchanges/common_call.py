"""Any other exchange that CCXT has, asked by CCXT's common call ``fetch_trades``, for as far back as that reaches.

Trades come as CCXT reads them, times in milliseconds. Each page begins with the last trade of the one before, because
ids alone don't tell here whether one is missing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from typing import Any

from lakehouse.errors import CryptoError
from market_data.exchanges import BY_NAME
from market_data.exchanges.exchange import Cursor, Exchange, Incomplete, Page, Paging
from market_data.formats import Format
from market_data.normalise import Columns

MILLISECOND, SECOND = 1_000, 1_000_000
KEPT = ("id", "price", "amount", "timestamp", "side")
# Seconds beyond a day in which a trade before or after it is looked for.
BEYOND = (60, 3_600, 86_400)
# Exchanges that give older trades by another call of theirs, before an id or (type 2) a time.
BACKWARDS = {name: {"method": "publicGetMarketHistoryTrades"} for name in ("okx", "okxus", "myokx")}


class CommonCall(Paging):
    """Forwards by time, backwards by id, or the latest trades only, by what the exchange can do."""

    def __init__(self, client: Any, market: Any, answer: Format) -> None:
        super().__init__(client, market, answer)
        self.symbol = f"{market.base}/{market.quote}"
        self.backwards = BACKWARDS.get(client.id, {})
        client.has = {**client.has, "fetchCurrencies": False}
        client.number = str

    def forget(self) -> None:
        """Find out anew how far back the exchange reaches."""
        self._oldest = cache(self._find_oldest)

    def _ask(self, since: int | None = None, older: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return trades in order of time; ``since`` is in milliseconds."""
        self.client.load_markets()
        if not self.client.market(self.symbol)["spot"]:
            raise CryptoError(f"{self.symbol} is a contract on {self.client.name}; fetch spot markets only.")
        trades = self.client.fetch_trades(self.symbol, since, None, {**self.backwards, **older} if older else {})
        if any(trade["id"] is None or set("afl") <= set(trade["info"]) for trade in trades):
            raise CryptoError(
                f"{self.client.name}'s API gives trades without ids of their own, so that pages can't be joined; use "
                "--from tardis, or `crypto import` for files that you have."
            )
        return [{name: trade[name] for name in KEPT} for trade in trades]

    def _find_oldest(self) -> int | None:
        latest = self._ask()
        if not latest or self.backwards:
            return None
        oldest = latest[0]["timestamp"]
        # An exchange that can't be asked by time gives the same once more.
        if any(row["timestamp"] < oldest for beyond in BEYOND for row in self._ask(oldest - beyond * 1000)[:1]):
            return None
        return int(oldest * MILLISECOND)

    def reach(self) -> int | None:
        """Compare the latest trades with those since an earlier time."""
        return self._oldest()

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Return the page at a cursor: the id that it must begin with, and that trade's time in milliseconds."""
        if self.reach() is not None:
            return Page(self._ask(), None, is_last=True)
        if cursor is None:
            rows = self._before(end) if self.backwards else self._since(start)
        elif self.backwards:
            rows = self._ask(older={"after": int(cursor[0]) + 1})
        else:
            rows = self._ask(cursor[1] - 1)
        if cursor and cursor[0] not in [row["id"] for row in rows]:
            return Page([], cursor, is_last=False, doubt=f"no trade {cursor[0]} at the border of two pages")
        if not rows:
            return Page([], cursor, is_last=True, doubt="no trades")
        last = rows[0 if self.backwards else -1]
        following = [last["id"], last["timestamp"]]
        if self.backwards:
            is_last = self.moment(rows[0]) < start
            doubt = "" if following != cursor or is_last else f"no trade before {last['id']}"
        else:
            is_last = self.moment(rows[0]) >= end or (following == cursor and self._ask()[-1:] == [last])
            doubt = f"no trade after {last['id']}, though there are newer ones" if following == cursor else ""
        return Page(rows, following, is_last, doubt)

    def _since(self, start: int) -> list[dict[str, Any]]:
        """Return the first page from a trade before a time on; raise Incomplete if there is none."""
        rows: list[dict[str, Any]] = []
        for beyond in BEYOND:
            rows = self._ask(start // MILLISECOND - beyond * 1000)
            if rows and self.moment(rows[0]) < start:
                return rows
        if rows:
            raise Incomplete(f"no trade before number {rows[0]['id']}")
        return rows

    def _before(self, end: int) -> list[dict[str, Any]]:
        """Return the last page with trades until a time, from the first trade after it backwards."""
        for beyond in BEYOND:
            rows = self._ask(older={"type": "2", "after": end // MILLISECOND + beyond * 1000})
            if rows and self.moment(rows[-1]) >= end:
                return rows
        return self._ask()


def find(place: Exchange) -> Exchange:
    """Return an exchange as CCXT's common call asks it; raise CryptoError, with what was meant, if CCXT lacks it."""
    import ccxt

    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in (place.ccxt or place.name, *place.other_names)]
    known = next((name for name in names if name in ccxt.exchanges), None)
    if not known:
        meant = get_close_matches(names[0], [*BY_NAME, *ccxt.exchanges], 1)
        raise CryptoError(
            f"There is no exchange {place.name} that is known here"
            + (f"; did you mean {meant[0]}?" if meant else "; `crypto import` takes files that you have.")
        )
    client = getattr(ccxt, known)()
    if not client.has.get("fetchTrades") or client.has.get("spot") is False:
        what = "an API that gives past trades" if client.has.get("spot") else "spot markets"
        raise CryptoError(
            f"{client.name} has no {what}, as far as CCXT knows; use --from tardis, or `crypto import` for files that "
            "you have."
        )
    name = place.name if place.name != place.name.lower() else re.sub(r"[^A-Za-z0-9._-]", "", client.name)
    return replace(place, name=name, ccxt=known, paging=CommonCall, layout=ANSWER)


ANSWER = Format(Columns("price", "amount", "timestamp", "id", "side"))
