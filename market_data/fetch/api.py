"""Exchanges' APIs as sources, asked with CCXT; pages are kept on disk until their day is whole.

A killed command goes on at the page that it did not finish. A day is written once its last page has come, in the
exchange's order and without what came twice.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import requests

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from market_data import ordering
from market_data.day_files import DayFile
from market_data.exchanges.exchange import Cursor, Exchange, Page, Paging
from market_data.fetch import download, fetch_log
from market_data.fetch.fetch_log import PageFile
from market_data.fetch.landing import Landing
from market_data.fetch.plan import DAY, Estimate, FetchOptions, Part, list_days, microseconds, today
from market_data.markets import Market

# Bytes of a trade in a page.
BYTES_PER_ROW = 110
BATCH_ROWS = 100_000
# A page that does not lead on, or an answer cut short, is asked for again so many times.
ATTEMPTS = 5
# Seconds before the second attempt; each wait is twice the one before.
FIRST_WAIT = 0.5
# What exchanges say of a market that they don't have.
UNKNOWN_MARKET = re.compile(r"unknown asset pair|invalid symbol|not ?found", re.IGNORECASE)

T = TypeVar("T")


class ApiSource:
    """The API of one exchange as a source."""

    unit = "trades"

    def __init__(
        self, settings: Settings, options: FetchOptions, exchange: Exchange, say: Callable[[str], None]
    ) -> None:
        self.settings, self.options, self.exchange, self.say = settings, options, exchange, say
        self.name = f"{exchange.name}'s API"
        self._paging: dict[Market, Paging] = {}
        self._requests = 0

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return one part a day; of an exchange that gives the last 24 hours only, the days that they are of."""
        if not self.exchange.only_last_day:
            return [Part(market, (day,)) for day in days]
        older = [day for day in days if day < today() - DAY]
        if older:
            say(f"{self.name} gives the last 24 hours only, nothing of {list_days(older)}.")
        # One answer has trades of both days, and those of today can't be had again tomorrow.
        return [Part(market, (day,)) for day in (today() - DAY, today())]

    def estimate(self, parts: list[Part]) -> Estimate:
        """Ask the exchange for a few pages of each market, and return an estimate from them."""
        rows, seconds = 0, 0.0
        for market in dict.fromkeys(part.market for part in parts):
            days = [part.days[0] for part in parts if part.market == market]
            start, end = microseconds(days[0]), min(microseconds(days[-1] + DAY), _now())
            paging = self._paging_of(market)
            began, before = time.monotonic(), self._requests
            count = self._ask(market, partial(paging.count, start, end))
            each = (time.monotonic() - began) / max(self._requests - before, 1)
            each = max(each, paging.client.rateLimit / 1000)
            share = len(days) / ((days[-1] - days[0]).days + 1)
            rows += round(count * share)
            seconds += (1 if self.exchange.only_last_day else count / paging.limit + 1) * each * share
        return Estimate(rows, rows * BYTES_PER_ROW, seconds, "as fast as the exchange allows")

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Get the pages of a day that are missing, and write the day if it is whole or the user wants what there is."""
        market, day = part.market, part.days[0]
        is_over, only_last_day = day < today(), self.exchange.only_last_day
        start, end = microseconds(day), microseconds(day + DAY)
        # Pages of a day that is not over are of no use later, but for what could not be had again.
        is_kept = is_over or only_last_day
        pages = PageFile(fetch_log.folder(self.settings, market) / f"{day}{'' if is_kept else '.today'}.pages")
        if not is_kept:
            pages.delete()
        advance(pages.rows)
        if only_last_day or not pages.is_whole:
            for page, span in self._pages(market, pages.cursor, start, end):
                pages.add(page, span)
                advance(len(page.rows))
        if only_last_day and is_over and not pages.covers(start, end):
            since = pages.covers_since(end)
            there = f"trades came since {_clock(max(since, start))} UTC" if since else "no trade of it came in time"
            self.say(
                f"{market}: {day} is not whole, {there}; run this at least twice a day, what comes is kept until its "
                "day is whole."
            )
            return
        if not is_over and not self.options.with_today:
            return
        answer = self.exchange.answer
        trades = _in_order(market, day, self._trades(market, pages), self.options.without_ids)
        landing = Landing(self.settings, self.options, market)
        yield from landing.write((day,), answer.kind, trades.to_batches(BATCH_ROWS), are_over=is_over)
        if is_over or not is_kept:
            pages.delete()

    def _trades(self, market: Market, pages: PageFile) -> list[pa.RecordBatch]:
        return [self.exchange.answer.trades(rows, str(market)) for rows in (*pages.pages(), [])]

    def _pages(
        self, market: Market, cursor: Cursor, start: int, end: int
    ) -> Iterator[tuple[Page, tuple[int, int] | None]]:
        """Yield the pages from a cursor on, with their rows of the time from ``start`` to before ``end``.

        With each comes the time of which it has all trades, by the exchange's last trade, in microseconds.
        """
        paging = self._paging_of(market)
        attempts = 0
        while True:
            now = _now()
            page = self._ask(market, partial(paging.page, cursor, start, end))
            if page.rows and page.cursor == cursor and not page.is_last:
                # The same page came again: asking once more helps if the exchange only stumbled.
                attempts += 1
                if attempts == ATTEMPTS:
                    raise CryptoError(f"{market.exchange} gives the same page of {market.name} again and again.")
                time.sleep(FIRST_WAIT * 2 ** (attempts - 1))
                continue
            attempts, cursor = 0, page.cursor
            moments = paging.answer.moments(page.rows)
            inside = [row for row, moment in zip(page.rows, moments, strict=True) if start <= moment < end]
            yield Page(inside, page.cursor, page.is_last), (min(moments), now) if moments else None
            if page.is_last:
                return

    def _paging_of(self, market: Market) -> Paging:
        if market not in self._paging:
            assert self.exchange.paging
            self._paging[market] = self.exchange.paging(self._ccxt_client(), market, self.exchange.answer)
        return self._paging[market]

    def _ccxt_client(self) -> Any:
        """Return CCXT's client of the exchange, which keeps its rate limit and leaves numbers the text they are."""
        # CCXT takes a second to import, which only those pay who ask an API.
        import ccxt

        client = getattr(ccxt, self.exchange.ccxt)({"session": download.session(), "timeout": 60_000})
        client.on_json_response = self._decode
        # CCXT hands this to the session with each request, where it counts more than the session's own.
        client.validateServerSsl = download.authorities() or True
        if self.settings.exchange_mirror:
            addresses = {part: client.implode_hostname(url) for part, url in client.urls["api"].items() if url}
            client.urls["api"] = {part: download.address(self.settings, url) for part, url in addresses.items()}
        if download.is_local(self.settings):
            client.rateLimit = 0
        return client

    def _decode(self, text: str) -> Any:
        self._requests += 1
        return json.loads(text, parse_float=str)

    def _ask(self, market: Market, ask: Callable[[], T]) -> T:
        """Return what a request gives; ask again after a lost line or an answer cut short, which the session does not.

        Raise CryptoError if it still fails.
        """
        import ccxt

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return ask()
            except (ccxt.NetworkError, ValueError, KeyError, TypeError) as error:
                if attempt == ATTEMPTS:
                    raise _explain(market, error) from error
                time.sleep(FIRST_WAIT * 2 ** (attempt - 1))
            except ccxt.BaseError as error:
                raise _explain(market, error) from error
        raise AssertionError


def _explain(market: Market, error: Exception) -> CryptoError:
    """Return what went wrong, for the user."""
    import ccxt

    place, cause = market.exchange, error.__cause__
    if isinstance(error, ccxt.BadSymbol) or UNKNOWN_MARKET.search(str(error)):
        return CryptoError(f"{place} knows no market {market.name}; check its name on the exchange's site.")
    if isinstance(error, ccxt.NetworkError) or isinstance(cause, requests.ConnectionError | requests.Timeout):
        return download.unreachable(place, cause or error)
    return CryptoError(f"{place} gave an answer that can't be used ({first_line(error)}); run the same command again.")


def _in_order(market: Market, day: date, pages: list[pa.RecordBatch], without_ids: bool) -> pa.Table:
    """Return a day's trades in the exchange's order, each once; raise CryptoError if an id is that of two trades."""
    trades = ordering.join_pages(pages, by_id=not without_ids)
    if not without_ids and (
        ordering.repeats(trades, ["id"]).any() or ordering.step_back(ordering.moments(trades)) > ordering.STEP_BACK
    ):
        raise fetch_log.ids_start_again(market, day)
    return trades


def _now() -> int:
    return int(time.time() * 1_000_000)


def _clock(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%H:%M")
