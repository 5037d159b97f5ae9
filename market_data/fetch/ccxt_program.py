"""Asks an exchange's REST API for trades with CCXT, page by page. It runs in an environment of its own.

CCXT pins versions that the project's lock excludes, so this file imports nothing of the project. It reads requests from
standard input, one JSON object a line, and answers with JSON lines: pages of trades, each with the cursor of the next
one, then ``{"done": true}``; or ``{"error": "<sentence>"}``. Times are microseconds since 1970.
"""

from __future__ import annotations

import json
import re
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import ccxt
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

MILLISECOND, SECOND, HOUR = 1_000, 1_000_000, 3_600_000_000
# The largest page that these exchanges give; Gemini gives less.
LIMIT, GEMINI_LIMIT = 1000, 500
# Ids and times are not quite in the same order, so a day is read a few trades beyond both of its ends.
MARGIN = 100
# A page that does not lead on, or an answer cut short, is asked for again so many times.
ATTEMPTS = 5
# Waits of 0, 2, 4, ... seconds, or as long as the exchange says; a host that is not there, or not trusted, is told
# soon. 418 is Binance's ban of those who ignored 429.
RETRY = Retry(
    total=8,
    connect=2,
    other=0,
    backoff_factor=1,
    status_forcelist=(418, 429, 500, 502, 503, 504, 520, 521, 522, 524),
    allowed_methods=("GET",),
    raise_on_status=False,
)

# What exchanges say of a market that they don't have.
UNKNOWN_MARKET = re.compile(r"unknown asset pair|invalid symbol|not ?found", re.IGNORECASE)

Cursor = int | str | None


class Refused(Exception):
    """A sentence for the user."""


class Source(Protocol):
    """How one exchange is paged. A page is a list of raw trades, the next cursor, and whether it was the last page."""

    exchange: Any

    def page(self, cursor: Cursor, start: int, end: int) -> tuple[list[Any], Cursor, bool]:
        """Return the page at a cursor (None: the first page) of the trades from ``start`` to before ``end``."""

    def moment(self, raw: Any) -> int:
        """Return a raw trade's time."""

    def rows(self, start: int, end: int) -> float:
        """Return about how many trades there are from ``start`` to before ``end``."""


class Binance:
    """Aggregated trades, forwards by id: by time they are given for an hour only, and an hour can be empty."""

    def __init__(self, exchange: Any, market: str) -> None:
        self.exchange, self.market = exchange, market
        # Times in microseconds, as in the archive since 2025.
        exchange.headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        self.first = cache(self._first)
        self.latest = 0

    def _get(self, **asked: int) -> list[Any]:
        return self.exchange.publicGetAggTrades({"symbol": self.market, **asked})

    def _first(self, start: int, end: int) -> int | None:
        """Return the id of the first aggregate from ``start`` to before ``end``, None if there is none."""
        for hour in range(start, min(end, int(time.time() * SECOND)), HOUR):
            last = min(hour + HOUR, end) - 1
            found = self._get(startTime=hour // MILLISECOND, endTime=last // MILLISECOND, limit=1)
            if found:
                return int(found[0]["a"])
        return None

    def page(self, cursor: Cursor, start: int, end: int) -> tuple[list[Any], Cursor, bool]:
        """Go on at an id; where ids end before the day does, look by time whether they start again."""
        if cursor is None:
            self.latest = 0
            first = self.first(start, end)
            return [], first if first is None else max(first - MARGIN, 0), first is None
        found = self._get(fromId=int(cursor), limit=LIMIT)
        newest = max(map(self.moment, found), default=0)
        if newest < self.latest or not found:
            # The end of the ids, or, where they have started again, older trades once more.
            again = self.first(max(self.latest + MILLISECOND, start), end)
            return found, again, again is None
        self.latest = newest
        return found, int(found[-1]["a"]) + 1, self.moment(found[0]) >= end

    def moment(self, raw: Any) -> int:
        """Times are in milliseconds where microseconds are not known."""
        given = int(raw["T"])
        return given if given > 10**14 else given * MILLISECOND

    def rows(self, start: int, end: int) -> float:
        """Ids have no gaps."""
        newest = self._get(limit=1)
        ids = range(int(newest[-1]["a"]) + 1 if newest else 0)
        return self._id_at(ids, end) - self._id_at(ids, start)

    def _id_at(self, ids: range, moment: int) -> int:
        """Return the first id at a time or later: near it if there was a trade soon after, else by bisection."""
        soon = self.first(moment, moment + 3 * HOUR)
        return bisect_left(ids, moment, key=self._moment_of) if soon is None else soon

    def _moment_of(self, number: int) -> int:
        return self.moment(self._get(fromId=number, limit=1)[0])


class Kraken:
    """Forwards by ``last``, a time in nanoseconds that has to stay text: a double would lose its last digits."""

    def __init__(self, exchange: Any, market: str) -> None:
        self.exchange, self.market = exchange, market

    def page(self, cursor: Cursor, start: int, end: int) -> tuple[list[Any], Cursor, bool]:
        """Ask for what came after ``last``."""
        since = str(cursor or start * 1000 - 1)
        result = self.exchange.publicGetTrades({"pair": self.market, "since": since, "count": LIMIT})["result"]
        last = str(result.pop("last"))
        # The one key that is left is Kraken's own name of the market.
        (found,) = result.values()
        return found, last, not found or self.moment(found[0]) >= end

    def moment(self, raw: Any) -> int:
        """Seconds with up to nine decimals."""
        return int(Decimal(raw[2]) * SECOND)

    def rows(self, start: int, end: int) -> float:
        """Look at one page."""
        return by_density(self, start, end)


class Coinbase:
    """Backwards by id, since times can't be asked for: the id at the end of the day is found by bisection."""

    def __init__(self, exchange: Any, market: str) -> None:
        self.exchange, self.market = exchange, market
        self.id_at = cache(self._id_at)
        self.moment_of = cache(self._moment_of)

    def _get(self, **asked: int) -> list[Any]:
        return self.exchange.publicGetProductsIdTrades({"id": self.market, **asked})

    def _moment_of(self, number: int) -> int:
        """Return the time of the trade with this id, or of the one before it."""
        found = self._get(after=number + 1, limit=1)
        return self.moment(found[0]) if found else 0

    def _id_at(self, moment: int) -> int:
        """Return the first id at a time or later."""
        newest = self._get(limit=1)
        ids = range(1, int(newest[0]["trade_id"]) + 1 if newest else 1)
        return bisect_left(ids, moment, key=self.moment_of) + 1

    def page(self, cursor: Cursor, start: int, end: int) -> tuple[list[Any], Cursor, bool]:
        """Ask for what came before an id."""
        after = int(cursor) if cursor is not None else self.id_at(end) + MARGIN
        found = self._get(after=after, limit=LIMIT)
        return found, int(found[-1]["trade_id"]) if found else after, not found or self.moment(found[0]) < start

    def moment(self, raw: Any) -> int:
        """ISO 8601 with six decimals."""
        return microseconds(raw["time"])

    def rows(self, start: int, end: int) -> float:
        """Ids have few gaps."""
        return self.id_at(end) - self.id_at(start)


class Bitstamp:
    """The last 24 hours in one answer; whoever wants whole days asks often and keeps what came."""

    def __init__(self, exchange: Any, market: str) -> None:
        self.exchange, self.market = exchange, market.lower()

    def _get(self, span: str) -> list[Any]:
        return self.exchange.publicGetTransactionsPair({"pair": self.market, "time": span})

    def page(self, cursor: Cursor, start: int, end: int) -> tuple[list[Any], Cursor, bool]:
        """There is but one."""
        return self._get("day"), None, True

    def moment(self, raw: Any) -> int:
        """Whole seconds."""
        return int(raw["date"]) * SECOND

    def rows(self, start: int, end: int) -> float:
        """Look at the last hour."""
        return 24 * len(self._get("hour"))


class Gemini:
    """Forwards by id from the first trade of the day; the API reaches back some days only."""

    def __init__(self, exchange: Any, market: str) -> None:
        self.exchange, self.market = exchange, market.lower()
        self.earliest = cache(self._earliest)

    def _get(self, **asked: int) -> list[Any]:
        found = self.exchange.publicGetV1TradesSymbol({"symbol": self.market, "limit_trades": GEMINI_LIMIT, **asked})
        return sorted(found, key=lambda raw: int(raw["tid"]))

    def _earliest(self) -> int:
        found = self._get(since_tid=0, limit_trades=1)
        return self.moment(found[0]) if found else 0

    def page(self, cursor: Cursor, start: int, end: int) -> tuple[list[Any], Cursor, bool]:
        """Ask for what came after an id, the first time after a time."""
        if cursor is not None:
            found = self._get(since_tid=int(cursor))
        else:
            if self.earliest() > start:
                since = datetime.fromtimestamp(self.earliest() / SECOND).isoformat(" ", "minutes")
                raise Refused(f"Gemini's API gives trades since {since} UTC only; ask for whole days after that.")
            asked = {"timestamp": start // MILLISECOND - 1}
            found = self._get(**asked)
            # A full page must be the oldest trades of what was asked for, not the newest.
            if len(found) == GEMINI_LIMIT and self._get(**asked, limit_trades=1)[0]["tid"] != found[0]["tid"]:
                raise Refused("Gemini's API answers in an order that is not known; nothing of that day is written.")
        return found, int(found[-1]["tid"]) if found else cursor, not found or self.moment(found[0]) >= end

    def moment(self, raw: Any) -> int:
        """Milliseconds."""
        return int(raw["timestampms"]) * MILLISECOND

    def rows(self, start: int, end: int) -> float:
        """Look at one page."""
        return by_density(self, start, end)


SOURCES: dict[str, tuple[str, Callable[[Any, str], Source]]] = {
    "Binance": ("binance", Binance),
    "Kraken": ("kraken", Kraken),
    "Coinbase": ("coinbaseexchange", Coinbase),
    "Bitstamp": ("bitstamp", Bitstamp),
    "Gemini": ("gemini", Gemini),
}


def by_density(source: Source, start: int, end: int) -> float:
    """Return about how many trades there are, from how close together those of the first page are."""
    found, _, _ = source.page(None, start, end)
    moments = [source.moment(raw) for raw in found]
    inside = [moment for moment in moments if start <= moment < end]
    if len(inside) < len(moments) or len(inside) < 2:
        return len(inside)
    return len(inside) * (end - start) / max(moments[-1] - start, 1)


def microseconds(text: str) -> int:
    """Return an ISO 8601 time as microseconds since 1970."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond


def opened(request: dict[str, Any]) -> Source:
    """Return the source of a request, with CCXT's own rate limit unless the request has another."""
    name, kind = SOURCES[request["exchange"]]
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=RETRY))
    exchange = getattr(ccxt, name)({"session": session, "timeout": 60_000})
    # Prices, and times with decimals, stay the text that came.
    exchange.number = str
    exchange.on_json_response = partial(json.loads, parse_float=str)
    if request.get("rate_limit") is not None:
        exchange.rateLimit = request["rate_limit"]
    if request.get("mirror"):
        addresses = {part: exchange.implode_hostname(url) for part, url in exchange.urls["api"].items() if url}
        exchange.urls["api"] = {part: mirrored(url, request["mirror"]) for part, url in addresses.items()}
    return kind(exchange, request["market"])


def mirrored(url: str, mirror: str) -> str:
    """Return the address of a mirror for an address: the host becomes the first part of the path."""
    parts = urlsplit(url)
    return f"{mirror}/{parts.netloc}{parts.path}"


def asked_again(ask: Callable[[], Any]) -> Any:
    """Return what a request gives; ask again after a lost line or an answer cut short, which the session does not."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except (ccxt.NetworkError, ValueError, KeyError, TypeError):
            if attempt == ATTEMPTS:
                raise
            time.sleep(2**attempt / 4)
    return None


def trades(source: Source, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield pages from the request's cursor on: trades from ``start`` to before ``end``, and the next cursor."""
    start, end = request["start"], request["end"]
    cursor, attempts = request.get("cursor"), 0
    base, quote = request["base"], request["quote"]
    market = source.exchange.safe_market_structure(
        {
            "id": request["market"],
            "symbol": f"{base}/{quote}",
            **{"base": base, "quote": quote, "baseId": base, "quoteId": quote},
            **{"type": "spot", "spot": True},
        }
    )
    while True:
        now = time.time()
        found, following, is_last = asked_again(partial(source.page, cursor, start, end))
        if found and following == cursor and not is_last:
            # The same page came again: asking once more helps if the exchange only stumbled.
            attempts += 1
            if attempts == ATTEMPTS:
                raise Refused(f"{request['exchange']} gives the same page of {request['market']} again and again.")
            time.sleep(2**attempts / 4)
            continue
        attempts = 0
        inside = [raw for raw in found if start <= source.moment(raw) < end]
        rows = [row(source, raw, market) for raw in inside]
        # Bitstamp's answer also says which time it covers.
        spans = [source.moment(raw) for raw in found]
        covers = [min(spans), int(now * SECOND)] if spans else None
        yield {"trades": rows, "cursor": following, "covers": covers}
        if is_last:
            return
        cursor = following


def row(source: Source, raw: Any, market: dict[str, Any]) -> list[Any]:
    """Return id, time, price, volume and the taker's side of a trade."""
    trade = source.exchange.parse_trade(raw, market)
    number = raw["f"] if isinstance(source, Binance) else trade["id"]
    return [str(number), source.moment(raw), trade["price"], trade["amount"], str(trade["side"]).upper()]


def estimate(source: Source, request: dict[str, Any]) -> dict[str, Any]:
    """Return about how many trades, bytes and seconds the days of a request take."""
    exchange = source.exchange
    began, asked = time.monotonic(), exchange.fetch
    answers: list[int] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        answer = asked(*arguments, **named)
        answers.append(len(json.dumps(answer)))
        return answer

    exchange.fetch = counted
    try:
        rows = asked_again(lambda: source.rows(request["start"], request["end"]))
    finally:
        exchange.fetch = asked
    each = max((time.monotonic() - began) / max(len(answers), 1), exchange.rateLimit / 1000)
    limit = GEMINI_LIMIT if isinstance(source, Gemini) else LIMIT
    pages = 1 if isinstance(source, Bitstamp) else rows / limit + 1
    return {"rows": round(rows), "requests": round(pages), "seconds": pages * each}


def main() -> None:
    """Answer the requests of standard input."""
    sources: dict[tuple[str, str], Source] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            key = (request["exchange"], request["market"])
            source = sources.get(key) or sources.setdefault(key, opened(request))
            if request["ask"] == "estimate":
                say(estimate(source, request))
            else:
                for page in trades(source, request):
                    say(page)
            say({"done": True})
        except (Refused, ccxt.BaseError, ValueError, KeyError, TypeError) as error:
            say({"error": sentence(error, request)})


def sentence(error: Exception, request: dict[str, Any]) -> str:
    """Return what went wrong, for the user."""
    place, market = request["exchange"], request["market"]
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, ccxt.BadSymbol) or UNKNOWN_MARKET.search(str(error)):
        return f"{place} knows no market {market}; check its name on the exchange's site."
    cause = error.__cause__
    if isinstance(error, ccxt.NetworkError) or isinstance(cause, requests.ConnectionError | requests.Timeout):
        # What urllib3 wrapped says why; its own text begins with the whole address.
        inner = cause.args[0] if cause and cause.args else error
        return (
            f"{place} can't be reached ({first_line(getattr(inner, 'reason', None) or inner)}); check the network, "
            "HTTPS_PROXY and SSL_CERT_FILE, and run the same command again: it goes on where it stopped."
        )
    return f"{place} gave an answer that can't be used ({first_line(error)}); run the same command again."


def first_line(error: object) -> str:
    """Return the beginning of an error's text."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def say(answer: dict[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
