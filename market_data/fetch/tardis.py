"""Tardis' datasets of trades: a file a day; without a key, those of the first day of each month."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data.fetch import archives, download, records
from market_data.fetch.source import Estimate, Part, Wanted
from market_data.markets import KRAKEN, Market
from market_data.writer import DayFile

ROOT = "https://datasets.tardis.dev/v1"
# Where Tardis' name of an exchange is not just its name in lower case.
NAMES = {"Binance.US": "binance-us", "HTX": "huobi", "OKX": "okex", "Bybit": "bybit-spot"}
# Of recorded trades of BTCUSDT, packed as Tardis does.
BYTES_PER_ROW = 11


class Tardis:
    """The datasets as a source."""

    name, unit = "Tardis", "bytes"

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self.settings, self.wanted = settings, wanted

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return the first days of months."""
        free = [day for day in days if day.day == 1]
        if not free:
            raise CryptoError(
                f"Tardis gives the first day of each month without a key, and {archives.listed(days)} has none; ask "
                f"for one, such as --since {days[0].replace(day=1)} --until {days[0].replace(day=1)}."
            )
        if len(free) < len(days):
            say(f"Tardis gives only the first day of each month without a key: {archives.listed(free)}.")
        parts = [Part(market, (day,), download.address(self.settings, self._url(market, day))) for day in free]
        with ThreadPoolExecutor(8) as pool:
            sizes = list(pool.map(lambda part: download.size(part.url), parts))
        missing = [part.days[0] for part, size in zip(parts, sizes, strict=True) if size is None]
        if missing:
            say(f"Tardis has no trades of {market.exchange} {market.name} for {archives.listed(missing)}.")
        return [
            Part(market, part.days, part.url, size) for part, size in zip(parts, sizes, strict=True) if size is not None
        ]

    def _url(self, market: Market, day: date) -> str:
        exchange = NAMES.get(market.exchange, market.exchange.lower())
        symbol = market.name
        if market.exchange == "Kraken":
            symbol = f"{KRAKEN.get(market.base, market.base)}-{KRAKEN.get(market.quote, market.quote)}"
        return f"{ROOT}/{exchange}/trades/{day:%Y/%m/%d}/{symbol}.csv.gz"

    def estimate(self, parts: list[Part]) -> Estimate:
        """Return an estimate from the sizes of the files."""
        return archives.estimate(sum(part.size for part in parts), BYTES_PER_ROW)

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Download a file, which gzip's own checksum verifies when it is read, and write its day."""
        path = records.folder(self.settings, part.market) / f"tardis-{part.days[0]}.csv.gz"
        yield from archives.landed(self.settings, self.wanted, part, path, advance)
