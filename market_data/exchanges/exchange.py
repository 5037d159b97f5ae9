"""What an exchange is to this project: its names and markets, the rows of its answers, its archive and its API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from lakehouse.errors import CryptoError
from market_data.formats import Format, answer_of
from market_data.markets import Market

# Quotes by which a name without a separator is divided. Each exchange has its own, because together they are ambiguous:
# BNBUSD and PAXGUSD are no markets for BUSD and GUSD. The longest that fits counts.
COINS = ("BTC", "XBT", "ETH")
MONEY = ("USD", "USDT", "USDC", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "SGD", "KRW", "TRY", "BRL", "DAI")
# Codes of assets that several sources write otherwise.
COMMON_CODES = {"XBT": "BTC", "XDG": "DOGE"}
ASSET = r"[A-Z0-9.]+"
CONTRACT = re.compile(
    r":"  # BTC/USDT:USDT, as CCXT writes a swap
    r"|[-_]SWAP$|.PERP(ETUAL)?$|QUARTER"
    r"|[-_](\d{6}|\d{8}|\d{1,2}[A-Z]{3}\d\d)\b"  # BTCUSDT_240329, BTC-29MAR24
    r"|^(PI|PF|FI|FF|IN|RR)_"  # Kraken's futures
    r"|-[CP]$"  # options
    r"|_UMCBL|_DMCBL|_CMCBL"
)


class NotSpot(CryptoError):
    """A market, or all of an exchange's, are futures, swaps or options."""


# Where the next page begins: for exchanges that number their trades, the number that comes next, then the place.
Cursor = list[Any] | None

# What is doubted is asked for so often.
CONFIRMED = 3
OTHER_QUESTION = "the answer is one to another question"


class Incomplete(CryptoError):
    """Trades of a day are missing, so that it does not count as fetched; the sentence says which."""


@dataclass(frozen=True)
class Archive:
    """A public archive of trades: the addresses of its files, each with a day or a month of one market.

    ``only_first_days`` is True if only the first day of each month can be had; ``note`` says when a day appears.
    """

    name: str
    bytes_per_row: int
    day: Callable[[Market, date], str]
    month: Callable[[Market, date], str] | None = None
    has_checksums: bool = False
    only_first_days: bool = False
    note: str = ""
    # What is answered for a file that is not there.
    missing: tuple[int, ...] = (404,)


@dataclass(frozen=True)
class Page:
    """The rows of one answer, the cursor of the next page, and whether this was the last.

    ``doubt`` says what the answer lacks, and it is asked for again; if that stays, an answer that leads on counts.
    """

    rows: list[Any]
    cursor: Cursor
    is_last: bool
    doubt: str = ""
    # The time from which it has all trades, if not that of its first row.
    since: int | None = None


class Paging:
    """How an exchange's API is asked for the trades of one market, page by page. ``client`` is CCXT's."""

    # The most rows of a page.
    limit: ClassVar[int] = 1000

    def __init__(self, client: Any, market: Market, answer: Format) -> None:
        self.client, self.market, self.answer = client, market.name, answer
        self.forget()

    def forget(self) -> None:
        """Forget what was found out about the market, so that it is looked for anew."""

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Return the page at a cursor (None: the first) of the trades from ``start`` to before ``end`` (microseconds).

        Raise CryptoError, or one of CCXT's errors, if the exchange does not give it.
        """
        raise NotImplementedError

    def reach(self) -> int | None:
        """Return since when it gives trades (microseconds), if it gives the latest only, else None."""
        return None

    def count(self, start: int, end: int) -> float:
        """Return about how many trades there are, from how close together those of the first page are."""
        moments = self.answer.moments(self.page(None, start, end).rows)
        inside = sum(start <= moment < end for moment in moments)
        if inside < 2 or moments[-1] >= end:
            return inside
        return inside * (end - start) / max(moments[-1] - start, 1)

    def moment(self, row: Any) -> int:
        """Return a row's time in microseconds since 1970."""
        return self.answer.moments([row])[0]


class NumberedPaging(Paging):
    """Forwards by number, from a trade before the day to one after it, so that numbers tell what an answer lacks."""

    def number(self, row: Any) -> int:
        """Return a row's number; the exchange numbers each market's trades one by one."""
        raise NotImplementedError

    def first(self, start: int) -> list[Any]:
        """Return the cursor of a trade before ``start`` (microseconds), or of the market's first."""
        raise NotImplementedError

    def rows(self, cursor: list[Any]) -> tuple[list[Any], Cursor]:
        """Return the rows at a cursor in their order, and the next cursor, None if they don't lead on."""
        raise NotImplementedError

    def newest(self) -> Any | None:
        """Return the market's newest row, None if it has none."""
        raise NotImplementedError

    def start_again(self, start: int, end: int) -> Cursor:
        """Return where trades after the last number are, if the market's numbers have started again."""
        return None

    def page(self, cursor: Cursor, start: int, end: int) -> Page:
        """Compare the numbers of an answer with those that must be in it."""
        since = None
        if cursor is None:
            cursor, rows, following = self._begin(start)
            # The market's first trade is number 0 or 1.
            since = 0 if rows and self.number(rows[0]) <= 1 else None
        else:
            rows, following = self.rows(cursor)
        wanted = cursor[0]
        if following is None:
            latest, what = self.newest(), f"no trade from number {wanted} on"
            newest = self.number(latest) if latest else None
            again = self.start_again(start, end) if newest is not None and newest + 1 < wanted else None
            if newest is None or newest + 1 == wanted or again:
                return Page([], again or cursor, not again, what)
            return Page([], cursor, is_last=False, doubt=f"{what}, though its newest is number {newest}")
        numbers = {self.number(row) for row in rows}
        wanted = range(min(numbers) if wanted is None else wanted, following[0])
        lacking = len(set(wanted) - numbers)
        doubt = f"no trade for {lacking} of the {len(wanted)} numbers from {wanted.start} on" if lacking else ""
        return Page(rows, following, self.moment(rows[0]) >= end, doubt, since)

    def _begin(self, start: int) -> tuple[list[Any], list[Any], Cursor]:
        """Return the first cursor, and what `rows` gives there; look for it anew if an answer misled."""
        for _ in range(CONFIRMED):
            cursor = self.first(start)
            rows, following = self.rows(cursor)
            if rows and (self.moment(rows[0]) < start or self.number(rows[0]) <= 1):
                break
            self.forget()
        return [self.number(rows[0]) if rows else 0, *cursor[1:]], rows, following


class SearchedPaging(NumberedPaging):
    """Of exchanges that can be asked by number alone: the number at the beginning of a day is searched for."""

    # Ids and times are not quite in the same order, so a day is read a few trades beyond its start.
    margin: ClassVar[int] = 100
    lowest: ClassVar[int] = 0

    def number_at(self, moment: int) -> int:
        """Return the first number at a time (microseconds) or later."""
        raise NotImplementedError

    def first(self, start: int) -> list[Any]:
        """Return a number some trades before the first of a time."""
        return [max(self.number_at(start) - self.margin, self.lowest)]

    def count(self, start: int, end: int) -> float:
        """Numbers have few gaps."""
        return self.number_at(end) - self.number_at(start)


@dataclass(frozen=True)
class Exchange:
    """All that is known of one exchange; what is empty is not known.

    ``company``, ``country`` and ``website`` are what `crypto exchanges add` enters; ``other_names`` are those of
    sources, in lower case without punctuation.

    Markets: ``separator`` stands between the assets in the exchange's own names, ``codes`` are its own codes of assets,
    ``prefix`` stands before a name, ``split`` divides names that don't end in one of ``quotes``, ``quote_first`` if it
    writes KRW-BTC. Where it has contracts too, ``spot`` is a pattern that is found in names of spot markets only.

    Fetching: ``archive`` is where its files are; ``ccxt`` is CCXT's name of it, ``paging`` how its API is asked for
    rows of ``answer``, which are declared in formats.toml unless ``layout`` says how they are.
    """

    name: str
    company: str = ""
    country: str = ""
    website: str = ""
    other_names: tuple[str, ...] = ()
    separator: str = "-"
    quotes: tuple[str, ...] = (*MONEY, *COINS)
    codes: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    split: Callable[[str], tuple[str, str] | None] = lambda _: None
    quote_first: bool = False
    spot: str = ""
    archive: Archive | None = None
    ccxt: str = ""
    paging: type[Paging] | None = None
    layout: Format | None = None

    @property
    def answer(self) -> Format:
        """The rows that its API gives for ``paging``."""
        return self.layout or answer_of(self.name)

    def market(self, name: str) -> Market:
        """Return the market that a source calls ``name``.

        BTCUSDT, BTC/USDT, BTC-USDT, BTC_USDT and btcusdt are one market, so its trades have the same ids wherever they
        come from. Raise CryptoError for a contract, and for a name that can't be divided into two assets.
        """
        text = name.strip().removeprefix(self.prefix).upper()
        self.refuse_contract(text)
        base, quote = (COMMON_CODES.get(asset, asset) for asset in self._assets(text))
        own = [self.codes.get(asset, asset) for asset in (base, quote)]
        return Market(self.name, self.separator.join(reversed(own) if self.quote_first else own), base, quote)

    def find_market(self, name: str) -> Market | None:
        """Return the market that a name can be, in quotes that the exchange is known to have."""
        try:
            found = self.market(name)
        except CryptoError:
            return None
        return found if found.quote in self.quotes and not found.base.isdigit() else None

    def refuse_contract(self, name: str) -> None:
        """Raise NotSpot if a market is a future, a swap or an option by its name."""
        if CONTRACT.search(name.upper()) or not re.search(self.spot, name):
            raise NotSpot(f"{self.name} {name} is a contract; import trades of spot markets only, such as BTC/USDT.")

    def _assets(self, text: str) -> tuple[str, str]:
        if found := re.fullmatch(rf"({ASSET})([/_-])({ASSET})", text):
            return (found[3], found[1]) if self.quote_first and found[2] == "-" else (found[1], found[3])
        if assets := self.split(text):
            return assets
        for quote in sorted(self.quotes, key=len, reverse=True):
            base = text.removesuffix(quote)
            if base != text and re.fullmatch(ASSET, base):
                return base, quote
        raise CryptoError(
            f"{self.name}'s market {text!r} can't be divided into two assets; write it with a slash: BTC/USDT."
        )
