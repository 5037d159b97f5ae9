"""Binance's public archive of single trades: a zip file a day or a month, each with a checksum beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import groupby
from pathlib import Path

from lakehouse.settings import Settings
from market_data.fetch import archives, download, records
from market_data.fetch.source import DAY, Estimate, Part, Wanted, today
from market_data.markets import Market
from market_data.writer import DayFile

ROOT = "https://data.binance.vision/data/spot"
# Of a month, so many days or more are fetched as one file.
MANY_DAYS = 16
# Of recorded trades of BTCUSDT, zipped as the archive does.
BYTES_PER_ROW = 13


class BinanceArchive:
    """The archive as a source."""

    name, unit = "Binance's archive", "bytes"

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self.settings, self.wanted = settings, wanted

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return a month where most of it is wanted and it is there, else its days."""
        parts: list[Part] = []
        for month, of_month in groupby(days, lambda day: day.replace(day=1)):
            wanted = tuple(of_month)
            whole = self._part(market, "monthly", f"{month:%Y-%m}", wanted)
            if self._is_begun(whole) or (len(wanted) >= MANY_DAYS and _is_over(month)):
                parts.append(whole)
            else:
                parts += [self._part(market, "daily", str(day), (day,)) for day in wanted]
        return self._there(parts, say)

    def _there(self, parts: list[Part], say: Callable[[str], None]) -> list[Part]:
        """Return the parts with their sizes; a file that is not there is looked for in the other form."""
        found: list[Part] = []
        with ThreadPoolExecutor(8) as pool:
            for part, size in zip(parts, pool.map(lambda part: download.size(part.url), parts), strict=True):
                if size is not None:
                    found.append(Part(part.market, part.days, part.url, size))
                    continue
                for day in part.days if "/monthly/" in part.url else ():
                    daily = self._part(part.market, "daily", str(day), (day,))
                    if (size := download.size(daily.url)) is not None:
                        found.append(Part(daily.market, daily.days, daily.url, size))
        missing = sorted({day for part in parts for day in part.days} - {day for part in found for day in part.days})
        if missing:
            say(
                f"{self.name} has no trades of {parts[0].market.name} for {archives.listed(missing)}; a day appears "
                "there on the day after."
            )
        return found

    def _part(self, market: Market, every: str, name: str, days: tuple[date, ...]) -> Part:
        url = f"{ROOT}/{every}/trades/{market.name}/{market.name}-trades-{name}.zip"
        return Part(market, days, download.address(self.settings, url))

    def _is_begun(self, part: Part) -> bool:
        path = self._path(part)
        return path.exists() or path.with_name(f"{path.name}.part").exists()

    def _path(self, part: Part) -> Path:
        return records.folder(self.settings, part.market) / part.url.rsplit("/", 1)[1]

    def estimate(self, parts: list[Part]) -> Estimate:
        """Return an estimate from the sizes of the files."""
        size = sum(part.size for part in parts)
        return archives.estimate(size, BYTES_PER_ROW)

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Download and verify a file, and write its days."""
        path = self._path(part)
        yield from archives.landed(self.settings, self.wanted, part, path, advance, lambda: _checksum(part.url))


def _checksum(url: str) -> str:
    """Return the SHA-256 of a file, as the archive tells it: ``<sum>  <name>``."""
    return (download.text(f"{url}.CHECKSUM").split() or [""])[0].lower()


def _is_over(month: date) -> bool:
    return (month + 32 * DAY).replace(day=1) <= today()
