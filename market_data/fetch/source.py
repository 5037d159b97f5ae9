"""What the sources of `crypto fetch` have in common: parts to get, estimates, and the way into the landing zone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import sides, writer
from market_data.fetch.records import Records
from market_data.markets import Market
from market_data.writer import DayFile

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, beside markets and days."""

    may_replace: bool = False
    without_ids: bool = False
    tick_rule: bool = False
    with_today: bool = False


@dataclass(frozen=True)
class Part:
    """What is got in one piece: a file of an archive with one or more days of a market, or one day of an API."""

    market: Market
    days: tuple[date, ...]
    url: str = ""
    size: int = 0


@dataclass(frozen=True)
class Estimate:
    """About how much the parts are. ``speed`` says what the seconds assume."""

    rows: int
    size: int
    seconds: float
    speed: str


class Source(Protocol):
    """Where trades are fetched from. ``unit`` is what its progress counts: bytes or trades."""

    name: str
    unit: str

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return the parts that hold these days, and say which days the source does not have."""

    def estimate(self, parts: list[Part]) -> Estimate:
        """Return about how much the parts are."""

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Get a part, going on where an earlier call stopped, and yield its days as they are written."""


def microseconds(day: date) -> int:
    """Return the start of a UTC day in microseconds since 1970."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def today() -> date:
    """Return the UTC day that is not over yet, or whose last trades an exchange may not tell of yet."""
    return (datetime.now(UTC) - timedelta(minutes=1)).date()


class Landing:
    """Takes the trades of a part into the landing zone and remembers its days."""

    def __init__(self, settings: Settings, wanted: Wanted, market: Market) -> None:
        self.settings, self.wanted, self.market = settings, wanted, market
        self.records = Records(settings, market)
        self.first_ids: dict[date, int | None] = {}

    def write(
        self, days: tuple[date, ...], kind: str, batches: Iterable[pa.RecordBatch], *, are_over: bool = True
    ) -> Iterator[DayFile]:
        """Write the trades of these days, leaving out those of others, and yield a file for each, even an empty one.

        Days that were not over when their trades were got are not remembered, so that they are fetched anew.
        """
        kind = writer.WITHOUT_IDS if self.wanted.without_ids else kind
        prepared = self._prepared(days, batches)
        missing = set(days)
        if len(days) == 1:
            files: Iterable[DayFile] = (self._day(days[0], kind, prepared),)
        else:
            files = writer.write(self.settings, self.market, prepared, kind=kind, may_replace=self.wanted.may_replace)
        for file in files:
            missing.discard(file.day)
            yield self._remembered(file, are_over)
        for day in sorted(missing):
            yield self._remembered(self._day(day, kind, ()), are_over)

    def _day(self, day: date, kind: str, batches: Iterable[pa.RecordBatch]) -> DayFile:
        return writer.write_day(
            self.settings, self.market, day, batches, kind=kind, may_replace=self.wanted.may_replace
        )

    def _remembered(self, file: DayFile, is_over: bool) -> DayFile:
        if is_over:
            self.records.add(file, self.first_ids.get(file.day))
        return file

    def _prepared(self, days: tuple[date, ...], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the trades of some days with a side, and with ids that no other day has."""
        rule = sides.TickRule()
        numbers = pa.array(sorted((day - date(1970, 1, 1)).days for day in days), pa.int64())
        for batch in batches:
            day_of = pc.divide(batch.column("timestamp").cast(writer.TIME).cast(pa.int64()), writer.DAY)
            rows = batch.filter(pc.is_in(day_of, numbers))
            if not rows.num_rows:
                continue
            if self.wanted.without_ids:
                rows = _with(rows, "id", pa.nulls(rows.num_rows))
            else:
                self._check_ids(rows, day_of.filter(pc.is_in(day_of, numbers)))
            side, price = rows.column("trade_type"), rows.column("price")
            where = f"{self.market.exchange} {self.market.name}"
            side = rule.fill(side, price) if self.wanted.tick_rule else sides.require(side, where)
            yield _with(rows, "trade_type", side)

    def _check_ids(self, rows: pa.RecordBatch, day_of: pa.Array) -> None:
        """Compare the id of each day's first trade with the days that are known; ids that are no numbers are not."""
        for number in np.unique(day_of):
            day = date(1970, 1, 1) + timedelta(days=int(number))
            if day in self.first_ids:
                continue
            first = rows.column("id")[pc.index(day_of, pa.scalar(number, pa.int64())).as_py()].as_py()
            self.first_ids[day] = int(first) if str(first or "").isdigit() else None
            self.records.check(day, self.first_ids[day])


def _with(rows: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    columns = {column: rows.column(column) for column in rows.schema.names} | {name: values}
    return pa.record_batch(columns)


def span(days: list[date]) -> str:
    """Return days as text: one, or the first and the last."""
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def nothing(name: str, market: Market, days: list[date]) -> CryptoError:
    """Return the error of a source that has none of the days."""
    return CryptoError(f"{name} has no trades of {market.exchange} {market.name} for {span(days)}.")
