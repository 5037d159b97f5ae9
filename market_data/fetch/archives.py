"""Archives as sources: files with a day or a month each, downloaded, verified, and read as `crypto import` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data.day_files import DayFile
from market_data.detection import detect
from market_data.exchanges.exchange import Archive
from market_data.fetch import download, fetch_log
from market_data.fetch.landing import Landing
from market_data.fetch.plan import DAY, Estimate, FetchOptions, Part, list_days, today
from market_data.input_files import find_files
from market_data.markets import Market
from market_data.trade_files import SINGLE, ImportOptions

# Of a month, so many days or more are fetched as one file.
MANY_DAYS = 16
# What an estimate assumes of a line, in bytes a second; the progress bar knows better soon.
SPEED = 5_000_000


class ArchiveSource:
    """The files of an archive as a source."""

    unit = "bytes"

    def __init__(self, settings: Settings, options: FetchOptions, archive: Archive) -> None:
        self.settings, self.archive = settings, archive
        self.name = archive.name
        self.landing = Landing(settings, options)

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return the file of a month where most of it is wanted and it is there, else those of its days."""
        if self.archive.only_first_days:
            days = self._first_days(days, say)
        parts: list[Part] = []
        for month, of_month in groupby(days, lambda day: day.replace(day=1)):
            wanted = tuple(of_month)
            if self.archive.month:
                whole = Part(market, wanted, self._address(self.archive.month(market, month)))
                is_over = (month + 32 * DAY).replace(day=1) <= today()
                if self._has_begun(whole) or (len(wanted) >= MANY_DAYS and is_over):
                    parts.append(whole)
                    continue
            parts += [self._day(market, day) for day in wanted]
        return self._with_sizes(parts, say)

    def _day(self, market: Market, day: date) -> Part:
        return Part(market, (day,), self._address(self.archive.day(market, day)))

    def _address(self, url: str) -> str:
        return download.address(self.settings, url)

    def _first_days(self, days: list[date], say: Callable[[str], None]) -> list[date]:
        first = [day for day in days if day.day == 1]
        if not first:
            begin = days[0].replace(day=1)
            raise CryptoError(
                f"{self.name} gives the first day of each month without a key, and {list_days(days)} has none; ask for "
                f"one, such as --since {begin} --until {begin}."
            )
        if len(first) < len(days):
            say(f"{self.name} gives only the first day of each month without a key: {list_days(first)}.")
        return first

    def _with_sizes(self, parts: list[Part], say: Callable[[str], None]) -> list[Part]:
        """Return the parts that are there; a month that is not is looked for day by day."""
        found: list[Part] = []
        with ThreadPoolExecutor(8) as pool:
            for part, size in zip(parts, pool.map(lambda part: self._size(part.url), parts), strict=True):
                if size is not None:
                    found.append(replace(part, size=size))
                    continue
                for day in part.days if part.url != self._day(part.market, part.days[0]).url else ():
                    daily = self._day(part.market, day)
                    if (size := self._size(daily.url)) is not None:
                        found.append(replace(daily, size=size))
        missing = sorted({day for part in parts for day in part.days} - {day for part in found for day in part.days})
        if missing:
            say(f"{self.name} has no trades of {parts[0].market} for {list_days(missing)}{self.archive.note}.")
        return found

    def _size(self, url: str) -> int | None:
        return download.size(url, self.archive.missing)

    def _has_begun(self, part: Part) -> bool:
        path = self._path(part)
        return path.exists() or path.with_name(f"{path.name}.part").exists()

    def _path(self, part: Part) -> Path:
        name = part.url.rsplit("/", 1)[1]
        # Tardis' files of one market all have one name.
        is_dated = f"{part.days[0]:%Y-%m}" in name
        return fetch_log.folder(self.settings, part.market) / (name if is_dated else f"{part.days[0]}-{name}")

    def estimate(self, parts: list[Part]) -> Estimate:
        """Return an estimate from the sizes of the files."""
        size = sum(part.size for part in parts)
        return Estimate(size // self.archive.bytes_per_row, size, size / SPEED, f"at {SPEED // 1_000_000} MB a second")

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Download a file unless it is there from an earlier call, verify it, and write its days."""
        path = self._path(part)
        if path.exists():
            advance(path.stat().st_size)
        else:
            sha256 = partial(_checksum, f"{part.url}.CHECKSUM") if self.archive.has_checksums else None
            download.fetch(part.url, path, advance, sha256)
        try:
            kind, batches = _read(path)
            yield from self.landing.write(part.market, part.days, kind, batches)
        except CryptoError as error:
            # A broken file is fetched anew by the next call; one whose trades are refused is kept.
            if error.__cause__:
                path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)


def _checksum(url: str) -> str:
    """Return the SHA-256 of a file, as the archive tells it: ``<sum>  <name>``."""
    return (download.text(url).split() or [""])[0].lower()


def _read(path: Path) -> tuple[str, Iterator[pa.RecordBatch]]:
    """Return what kind of trades a file holds, and the trades; a file without content is a day without trades."""
    refused: list[str] = []
    files = list(find_files([path], refused.append))
    if refused or len(files) != 1:
        path.unlink()
        raise CryptoError(refused[0] if refused else f"{path.name} holds {len(files)} files where one is expected.")
    if not files[0].head:
        return SINGLE, iter(())
    found = detect(files[0], ImportOptions())
    return found.kind, found.trades()
