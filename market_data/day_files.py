"""Raw trades of one market written into the landing zone, one Parquet file a UTC day.

The same trades give the same bytes. A day that is there with equal rows is left alone; one that differs is written
beside it under the next number, ``2024-01-01.2.parquet``, because a landed file must not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from lakehouse.storage import raw_files, staging
from lakehouse.storage.raw_files import Destination
from market_data.markets import Market
from market_data.normalise import REPEATED, WRITTEN, TradeIds, raw_trades
from market_data.ordering import DAY, STEP_BACK, moments

KIND = b"crypto_kind"
GROUP_ROWS = 500_000
EPOCH = date(1970, 1, 1)

Span = tuple[datetime, datetime] | None


@dataclass(frozen=True)
class DayFile:
    """One day of one market in the landing zone; paths are below ``trades/``.

    ``is_new`` is False if the day was there already with equal rows. ``replaced`` are earlier files of that day, which
    the user should withdraw; ``kept`` are earlier files that hold trades of times which this one does not cover.
    """

    market: Market
    day: date
    path: str
    rows: int
    is_new: bool
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def write(
    settings: Settings,
    market: Market,
    batches: Iterable[pa.RecordBatch],
    *,
    kind: str,
    may_replace: bool = False,
    days: Iterable[date] = (),
) -> Iterator[DayFile]:
    """Write the trades of a market, in the exchange's order, and yield each day's file once the day is complete.

    Memory is bounded: a day is closed when an hour of the next has been seen. ``days`` get a file even if they have no
    trades. ``may_replace`` lets another kind of trades take the place of the kind that is there. Raise CryptoError if a
    value can't be kept exactly, if the times are out of order, if another kind of that day is there, or if the landing
    zone can't be written; days that were yielded before stay.
    """
    places = _Places(raw_files.destination(settings), market, kind, may_replace)
    ids = TradeIds(market)
    latest = -1
    empty = {(day - EPOCH).days for day in days}
    with staging.folder(settings) as folder, ExitStack() as stack:
        open_days: dict[int, _Staged] = {}

        def open_day(day: int) -> _Staged:
            return stack.enter_context(_Staged.open(folder, day, kind))

        for batch in batches:
            for day, rows in _by_day(raw_trades(market, ids, batch)) if batch.num_rows else ():
                if day not in open_days:
                    _refuse_closed(market, day, latest)
                    open_days[day] = open_day(day)
                    empty.discard(day)
                open_days[day].add(rows)
                latest = max(latest, int(np.max(moments(rows))))
            for day in sorted(day for day in open_days if _is_over(day, latest)):
                yield places.publish(open_days.pop(day))
        open_days |= {day: open_day(day) for day in empty}
        for day in sorted(open_days):
            yield places.publish(open_days.pop(day))


def days(settings: Settings, market: Market) -> dict[date, str]:
    """Return the days of a market that are in the landing zone, each with the path of its latest file."""
    versions = _versions(raw_files.destination(settings), market)
    return {day: f"{market.folder}/{_name(day, max(numbers))}" for day, numbers in sorted(versions.items())}


@dataclass
class _Staged:
    """One day's file while it is written, on this machine."""

    day: int
    path: Path
    writer: pq.ParquetWriter
    rows: int = 0
    waiting: list[pa.Table] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, day: int, kind: str) -> _Staged:
        path = folder / f"{_date(day)}.parquet"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(
                path,
                WRITTEN,
                compression="zstd",
                use_dictionary=REPEATED,
                # Strings are read back as strings, not as dictionaries.
                store_schema=False,
            )
        except OSError as error:
            raise _unwritable(folder, error) from error
        writer.add_key_value_metadata({KIND: kind.encode()})
        return cls(day, path, writer)

    def __enter__(self) -> _Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def add(self, rows: pa.Table) -> None:
        """Add rows. Row groups have one size whatever the sizes of batches, so that bytes don't depend on these."""
        self.waiting.append(rows)
        self.rows += rows.num_rows
        if sum(table.num_rows for table in self.waiting) >= GROUP_ROWS:
            together = pa.concat_tables(self.waiting)
            whole = together.num_rows - together.num_rows % GROUP_ROWS
            self._write(together.slice(0, whole))
            self.waiting = [together.slice(whole)]

    def finish(self) -> None:
        """Write what is left and close the file."""
        self._write(pa.concat_tables([WRITTEN.empty_table(), *self.waiting]))
        self.waiting.clear()
        self.writer.close()

    def _write(self, rows: pa.Table) -> None:
        try:
            for start in range(0, rows.num_rows, GROUP_ROWS):
                self.writer.write_table(rows.slice(start, GROUP_ROWS).combine_chunks().unify_dictionaries(), GROUP_ROWS)
        except OSError as error:
            raise _unwritable(self.path.parent, error) from error


class _Places:
    """Where the days of a market go in the landing zone, given what is there."""

    def __init__(self, zone: Destination, market: Market, kind: str, may_replace: bool) -> None:
        self.zone, self.market, self.kind, self.may_replace = zone, market, kind, may_replace
        self.versions = _versions(zone, market)

    def publish(self, staged: _Staged) -> DayFile:
        """Put a finished day into the landing zone, unless it is there with equal rows."""
        day = _date(staged.day)
        numbers = sorted(self.versions.get(day, ()))
        earlier = [f"{self.market.folder}/{_name(day, number)}" for number in numbers]
        try:
            staged.finish()
            if earlier and (there := self._there(staged, earlier[-1])):
                return there
            path = f"{self.market.folder}/{_name(day, numbers[-1] + 1 if numbers else 1)}"
            covered = [self._covers(staged, other) for other in earlier]
            self.zone.save(staged.path, path)
            staged.path.unlink()
        except OSError as error:
            raise _unwritable(self.zone.root, error) from error
        return DayFile(
            self.market,
            day,
            path,
            staged.rows,
            is_new=True,
            replaced=tuple(other for other, is_covered in zip(earlier, covered, strict=True) if is_covered),
            kept=tuple(other for other, is_covered in zip(earlier, covered, strict=True) if not is_covered),
        )

    def _there(self, staged: _Staged, path: str) -> DayFile | None:
        """Return the file that is there if its rows are equal; raise CryptoError if its trades are of another kind."""
        with self.zone.open(path) as source, pq.ParquetFile(source) as old, pq.ParquetFile(staged.path) as new:
            kind = (old.metadata.metadata or {}).get(KIND, self.kind.encode()).decode()
            if kind != self.kind and not self.may_replace:
                raise CryptoError(
                    f"{path} holds {kind} of that day, and {self.kind} would count the same again; --replace writes "
                    "them beside it and names that file for withdrawal."
                )
            if kind != self.kind or not _equal(old, new):
                return None
        return DayFile(self.market, _date(staged.day), path, staged.rows, is_new=False)

    def _covers(self, staged: _Staged, path: str) -> bool:
        """Return whether the staged trades span all times of an earlier file."""
        with self.zone.open(path) as source, pq.ParquetFile(source) as old, pq.ParquetFile(staged.path) as new:
            inner, outer = _span(old), _span(new)
        return inner is None or (outer is not None and outer[0] <= inner[0] and inner[1] <= outer[1])


def _by_day(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Yield the days of some rows, counted from 1970, each with its rows in their order."""
    numbers = moments(rows) // DAY
    if numbers.min() == numbers.max():
        yield int(numbers[0]), rows
        return
    for day in np.unique(numbers):
        yield int(day), rows.filter(pa.array(numbers == day))


def _is_over(day: int, latest: int) -> bool:
    return (day + 1) * DAY + STEP_BACK <= latest


def _refuse_closed(market: Market, day: int, latest: int) -> None:
    if _is_over(day, latest):
        raise CryptoError(
            f"The trades of {market} are not in order of time ({_date(day)} follows "
            f"{_date(latest // DAY)}); sort them by time."
        )


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)


def _name(day: date, number: int) -> str:
    return f"{day}.parquet" if number == 1 else f"{day}.{number}.parquet"


def _versions(zone: Destination, market: Market) -> dict[date, list[int]]:
    """Return the days of a market that are there, each with the numbers of its files; the first file is number 1."""
    try:
        names = zone.names(market.folder)
    except OSError as error:
        raise CryptoError(
            f"The landing zone {zone.root} can't be listed ({first_line(error)}); check its address and permissions."
        ) from error
    found: dict[date, list[int]] = {}
    for name in names:
        if parts := re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:\.(\d+))?\.parquet", name):
            found.setdefault(date.fromisoformat(parts[1]), []).append(int(parts[2] or 1))
    return found


def _equal(old: pq.ParquetFile, new: pq.ParquetFile) -> bool:
    """Return whether two files hold equal rows; bytes can differ by the version of the library that wrote them."""
    if (old.metadata.num_rows, old.num_row_groups) != (new.metadata.num_rows, new.num_row_groups):
        return False
    groups = range(old.num_row_groups)
    return all(old.read_row_group(group).equals(new.read_row_group(group)) for group in groups)


def _span(file: pq.ParquetFile) -> Span:
    """Return the first and the last time of a file, from its footer; None for one without rows."""
    column = file.schema_arrow.names.index("timestamp")
    groups = (file.metadata.row_group(group).column(column).statistics for group in range(file.num_row_groups))
    known = [statistics for statistics in groups if statistics and statistics.has_min_max]
    if not known:
        return None
    return min(one.min for one in known).astimezone(UTC), max(one.max for one in known).astimezone(UTC)


def _unwritable(folder: object, error: OSError) -> CryptoError:
    return CryptoError(f"{folder} can't be written ({first_line(error)}); check its permissions and the free space.")
