"""Exchanges' APIs as sources, asked with CCXT; pages are kept on disk until their day is whole.

A killed command goes on at the page that it did not finish. A day is written once its last page has come, in the
exchange's order and without what came twice.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import pyarrow as pa
import requests

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from market_data import ordering
from market_data.day_files import DayFile
from market_data.exchanges.exchange import CONFIRMED, Cursor, Exchange, Incomplete, NumberedPaging, Page, Paging
from market_data.fetch import download, fetch_log
from market_data.fetch.fetch_log import PageFile
from market_data.fetch.landing import Landing
from market_data.fetch.plan import DAY, Estimate, FetchOptions, Part, list_days, microseconds, today
from market_data.markets import Market

# Bytes of a trade in a page.
BYTES_PER_ROW = 110
BATCH_ROWS = 100_000
# An answer that is cut short, or a line that breaks, is asked for again so many times.
ATTEMPTS = 5
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
        self.landing = Landing(settings, options)
        # What is missing of days that are not whole, in sentences.
        self.lacking: list[str] = []
        self._paging: dict[Market, Paging] = {}
        self._requests = 0

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return one part a day; of an exchange that gives its latest trades only, the days that they are of."""
        reach = self._ask(market, self._paging_of(market).reach)
        if reach is None:
            return [Part(market, (day,)) for day in days]
        older = [day for day in days if day < today() - DAY]
        if older:
            say(f"{self.name} gives trades since {_clock(reach)} UTC only, nothing of {list_days(older)}.")
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
            try:
                count = self._ask(market, partial(paging.count, start, end))
            except Incomplete:
                count = 0.0
            each = (time.monotonic() - began) / max(self._requests - before, 1)
            each = max(each, paging.client.rateLimit / 1000)
            share = len(days) / ((days[-1] - days[0]).days + 1)
            rows += round(count * share)
            seconds += (1 if paging.reach() else count / paging.limit + 1) * each * share
        return Estimate(rows, rows * BYTES_PER_ROW, seconds, "as fast as the exchange allows")

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Get the pages of a day that are missing, and write the day if it is whole or the user wants what there is."""
        market, day = part.market, part.days[0]
        start, end = microseconds(day), microseconds(day + DAY)
        paging, is_over = self._paging_of(market), day < today()
        reach = paging.reach()
        # Pages of a day that is not over are of no use later, but for what could not be had again.
        is_kept = is_over or reach is not None
        pages = PageFile(fetch_log.folder(self.settings, market) / f"{day}{'' if is_kept else '.today'}.pages")
        if not is_kept:
            pages.delete()
        advance(pages.rows)
        lacks = ""
        try:
            if reach is not None or not pages.is_whole or min(pages.clock, pages.last) < end:
                for page, span, last in self._pages(market, pages.cursor, start, end):
                    pages.add(page, span, last)
                    advance(len(page.rows))
        except Incomplete as error:
            lacks = f"the API gives {error}"
        if is_over and not lacks:
            lacks = _missing_end(pages, start, end, paging)
        if lacks:
            self.lacking.append(f"{market}: {day} is not whole and not fetched yet: {lacks}.")
        if (lacks and not self.options.with_incomplete) or not (is_over or self.options.with_today):
            return
        is_whole = is_over and not lacks
        batches, missing = self._read(paging, pages)
        trades = _in_order(market, day, batches, self.options.without_ids)
        self.landing.left_out["that came twice"] += pages.rows - trades.num_rows
        self.landing.read += pages.rows - trades.num_rows
        if not self.options.without_ids:
            self.landing.missing += missing
        ordered = trades.to_batches(BATCH_ROWS)
        yield from self.landing.write(market, (day,), paging.answer.kind, ordered, are_whole=is_whole)
        if is_whole or not is_kept:
            pages.delete()

    def _read(self, paging: Paging, pages: PageFile) -> tuple[list[pa.RecordBatch], int]:
        """Return the trades of pages, and how many numbers between the first and the last are not there."""
        batches, numbers = [], set()
        for rows in chain(pages.pages(), [[]]):
            batches.append(paging.answer.trades(rows, f"{self.exchange.name} {paging.market}"))
            if isinstance(paging, NumberedPaging):
                numbers |= {paging.number(row) for row in rows}
        return batches, max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0

    def _pages(
        self, market: Market, cursor: Cursor, start: int, end: int
    ) -> Iterator[tuple[Page, tuple[int, int], int]]:
        """Yield the pages from a cursor on, with their rows of the time from ``start`` to before ``end``.

        With each come the time of its first row, that of the exchange's clock, and that of its last row. Raise
        Incomplete if what an answer lacks stays.
        """
        paging = self._paging_of(market)
        doubts: Counter[str] = Counter()
        wait = download.Wait(download.session())
        while True:
            page = self._ask(market, partial(paging.page, cursor, start, end))
            is_same = page.cursor == cursor and not page.is_last
            if doubt := page.doubt or ("the same page again and again" if is_same else ""):
                # What stays the same is believed; an answer that lacks more than another is not.
                doubts[doubt] += 1
                if doubts[doubt] < CONFIRMED and doubts.total() < CONFIRMED**2:
                    wait.pause(f"{market.exchange} gives {doubt}")
                    continue
                if is_same or doubts[doubt] < CONFIRMED:
                    raise Incomplete(doubt)
            doubts, cursor, wait = Counter(), page.cursor, download.Wait(download.session())
            moments = paging.answer.moments(page.rows)
            inside = [row for row, moment in zip(page.rows, moments, strict=True) if start <= moment < end]
            clock = _clock_of(paging.client)
            since = min(moments, default=clock) if page.since is None else page.since
            yield Page(inside, page.cursor, page.is_last), (since, clock), max(moments, default=0)
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
        client.options["defaultType"] = "spot"
        if "types" in (markets := client.options.get("fetchMarkets") or {}):
            client.options["fetchMarkets"] = {**markets, "types": ["spot"]}
        client.on_json_response = self._decode
        # CCXT hands this to the session with each request, where it counts more than the session's own.
        client.validateServerSsl = download.authorities() or True
        if self.settings.exchange_mirror:
            client.urls["api"] = self._mirrored(client, client.urls["api"])
        if download.is_local(self.settings):
            client.rateLimit = 0
        return client

    def _mirrored(self, client: Any, urls: Any) -> Any:
        """Return the addresses of an API, which are a text or nested by kind, as those of the mirror."""
        if isinstance(urls, dict):
            return {kind: self._mirrored(client, inner) for kind, inner in urls.items()}
        return download.address(self.settings, client.implode_hostname(urls)) if urls else urls

    def _decode(self, text: str) -> Any:
        self._requests += 1
        return json.loads(text, parse_float=str)

    def _ask(self, market: Market, ask: Callable[[], T]) -> T:
        """Return what a request gives; ask again after a lost line or an answer cut short, which the session does not.

        Raise CryptoError if it still fails.
        """
        import ccxt

        wait, attempts = download.Wait(download.session()), 0
        while True:
            try:
                return ask()
            except (ccxt.NetworkError, ValueError, LookupError, TypeError) as error:
                # What only the answer's text says: the exchange is overloaded, or this machine asked too often.
                is_busy = isinstance(error, ccxt.DDoSProtection | ccxt.ExchangeNotAvailable) and not error.__cause__
                attempts += not is_busy
                # Who is not trusted now is not trusted a minute later.
                if attempts == ATTEMPTS or isinstance(error.__cause__, requests.exceptions.SSLError):
                    raise _explain(market, error) from error
                wait.pause(f"{market.exchange} answers: {first_line(error)}")
            except ccxt.BaseError as error:
                raise _explain(market, error) from error


def _explain(market: Market, error: Exception) -> CryptoError:
    """Return what went wrong, for the user."""
    import ccxt

    place, cause = market.exchange, error.__cause__
    if isinstance(error, ccxt.BadSymbol) or UNKNOWN_MARKET.search(str(error)):
        return CryptoError(f"{place} knows no market {market.name}; check its name on the exchange's site.")
    if isinstance(error, ccxt.NetworkError) or isinstance(cause, requests.ConnectionError | requests.Timeout):
        return download.unreachable(place, cause or error)
    if isinstance(error, ccxt.NotSupported | ccxt.ArgumentsRequired | ccxt.AuthenticationError):
        return CryptoError(
            f"{place}'s API gives no trades as this command asks ({first_line(error)}); use --from tardis, or `crypto "
            "import` for files that you have."
        )
    return CryptoError(f"{place} gave an answer that can't be used ({first_line(error)}); run the same command again.")


def _in_order(market: Market, day: date, pages: list[pa.RecordBatch], without_ids: bool) -> pa.Table:
    """Return a day's trades in the exchange's order, each once; raise CryptoError if an id is that of two trades."""
    trades = ordering.join_pages(pages, by_id=not without_ids)
    if not without_ids and (
        ordering.repeats(trades, ["id"]).any() or ordering.step_back(ordering.moments(trades)) > ordering.STEP_BACK
    ):
        raise fetch_log.ids_start_again(market, day)
    return trades


def _missing_end(pages: PageFile, start: int, end: int, paging: Paging) -> str:
    """Return why pages that came well are not all of a day, empty if they are."""
    if pages.clock < end:
        return f"the exchange's clock says {_clock(pages.clock)} UTC, so that it is not over"
    if paging.reach() is not None:
        if pages.covers(start, end):
            return ""
        since = pages.covers_since(end)
        there = f"trades came since {_clock(max(since, start))} UTC" if since else "no trade of it came in time"
        return f"{there}; what comes is kept until its day is whole, so ask more often than they go"
    if isinstance(paging, NumberedPaging) and pages.first >= start:
        return "no trade before its first has been seen"
    if pages.last < end:
        newest = f", the newest is of {_clock(pages.last)} UTC" if pages.last else ""
        return f"no trade after its last has been seen{newest}"
    return ""


def _now() -> int:
    return int(time.time() * 1_000_000)


def _clock_of(client: Any) -> int:
    """Return what the exchange's clock said with its last answer, else this machine's, in microseconds since 1970."""
    try:
        said = parsedate_to_datetime((client.last_response_headers or {}).get("Date", ""))
    except ValueError:
        return _now()
    return int(said.timestamp()) * 1_000_000


def _clock(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
