"""Raw trades of one market written into the landing zone, one Parquet file a UTC day.

The same trades give the same bytes. A day that is there with equal rows is left alone; one that differs is written
beside it under the next number, ``2024-01-01.2.parquet``, because a landed file must not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from lakehouse.storage import raw_files, staging
from lakehouse.storage.raw_files import Destination
from market_data.markets import Market
from market_data.normalise import REPEATED, WRITTEN, TradeIds, count_shared_ids, raw_trades
from market_data.ordering import DAY, STEP_BACK, moments
from market_data.trade_files import SINGLE, WITHOUT_IDS

KIND = b"crypto_kind"
# What tells two trades of one market apart, the id first.
PAYLOAD = ["trade_id", "price", "volume", "trade_type", "timestamp"]
GROUP_ROWS = 500_000
EPOCH = date(1970, 1, 1)
# Of more trades than this share, ids that are those of others show that ids don't tell trades apart.
SHARED = 0.01

Span = tuple[Any, Any] | None
# The ids of a day, first and last, its file and the kind of its trades.
Ids = tuple[Span, Path | str, str]


class SharedIds(CryptoError):
    """Different trades have the same ids; of these days nothing is written."""


@dataclass(frozen=True)
class DayFile:
    """One day of one market in the landing zone; paths are below ``trades/``.

    ``is_new`` is False if the day was there already with equal rows. ``replaced`` are earlier files of that day, which
    the user should withdraw; ``kept`` are earlier files that hold trades of times which this one does not cover.
    ``repeated`` trades equal another, ``conflicting`` ones have the id of a different trade, ``ids`` are the first and
    the last if they are numbers.
    """

    market: Market
    day: date
    path: str
    rows: int
    is_new: bool
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    repeated: int = 0
    conflicting: int = 0
    ids: tuple[int, int] | None = None

    @property
    def missing(self) -> int:
        """How many ids between the first and the last are not there."""
        return self.ids[1] - self.ids[0] + 1 - self.rows + self.repeated + self.conflicting if self.ids else 0


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

    Memory is bounded: a day is closed when an hour of the next has been seen, and is put into the landing zone when the
    next is closed too, so that ids that start again each day are known by then. ``days`` get a file even if they have
    no trades. ``may_replace`` lets another kind of trades take the place of the kind that is there.

    Raise CryptoError if a value can't be kept exactly, if the times are out of order, if different trades have the same
    ids (SharedIds), if another kind of that day is there, or if the landing zone can't be written; days that were
    yielded before stay.
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
                yield from places.close(open_days.pop(day))
        open_days |= {day: open_day(day) for day in empty}
        for day in sorted(open_days):
            yield from places.close(open_days.pop(day))
        yield from places.rest()


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
    last_id: str = ""
    ascends: bool = True
    shared: tuple[int, int] = (0, 0)
    span: Span = None
    # What is in the landing zone of its day: the kind of trades, and whether they are equal.
    kind_there: str = ""
    is_there: bool = False

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
        ids = rows["trade_id"].combine_chunks()
        if self.ascends:
            rises = pc.all(pc.less(ids[:-1], ids[1:])).as_py() is not False
            self.ascends, self.last_id = rises and self.last_id < ids[0].as_py(), ids[-1].as_py()
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
        with pq.ParquetFile(self.path) as file:
            self.span = _span(file, "trade_id")
        if not self.ascends:
            self.shared = count_shared_ids(pq.read_table(self.path, columns=PAYLOAD))

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
        self.waiting: _Staged | None = None
        self.spans: dict[date, Ids] = {}

    def close(self, staged: _Staged) -> Iterator[DayFile]:
        """Finish a day and compare its ids with those of other days; put the day before into the landing zone."""
        try:
            staged.finish()
            if versions := self.versions.get(day := _date(staged.day)):
                self._compare(staged, self._path(day, max(versions)))
            if self.kind != WITHOUT_IDS and not staged.is_there:
                self._check_ids(staged)
        except OSError as error:
            raise _unwritable(self.zone.root, error) from error
        yield from self.rest()
        self.waiting = staged

    def rest(self) -> Iterator[DayFile]:
        """Put the day that waits into the landing zone."""
        if staged := self.waiting:
            self.waiting = None
            yield self.publish(staged)

    def _check_ids(self, staged: _Staged) -> None:
        """Raise SharedIds if many of a day's ids are those of other trades, of this day or of the days beside it."""
        day, shared, where = _date(staged.day), staged.shared[1], ""
        for other, (span, path, kind) in self._beside(day, is_number=_numbers(staged.span) is not None).items():
            # What is to be replaced is no hindrance.
            if self.may_replace and kind != self.kind:
                continue
            if not (span and staged.span and span[0] <= staged.span[1] and staged.span[0] <= span[1]):
                continue
            mine = pq.read_table(staged.path, columns=["trade_id"])["trade_id"]
            with path.open("rb") if isinstance(path, Path) else self.zone.open(path) as source:
                theirs = pq.read_table(source, columns=["trade_id"])["trade_id"].combine_chunks()
            same = pc.sum(pc.is_in(mine, value_set=theirs)).as_py()
            if same > shared:
                shared, where = same, f"{other} and "
        if shared > SHARED * staged.rows:
            raise SharedIds(
                f"{self.market}: {shared:,} trades of {where}{day} have the ids of others; --without-ids numbers them "
                "by second and place."
            )
        staged.shared = (staged.shared[0], shared)
        self.spans[day] = (staged.span, staged.path, self.kind)

    def _beside(self, day: date, *, is_number: bool) -> dict[date, Ids]:
        """Return the ids, first and last, of the other days that are there or are being written, each with its file.

        Ids that are no numbers overlap on all days, so that only the days beside this one are looked at.
        """
        others = [other for other in sorted(self.versions.keys() | self.spans.keys()) if other != day]
        if not is_number:
            others = [*[one for one in others if one < day][-1:], *[one for one in others if one > day][:1]]
        with ThreadPoolExecutor(16) as pool:
            unknown = [other for other in others if other not in self.spans]
            self.spans |= zip(unknown, pool.map(self._ids_there, unknown), strict=True)
        return {other: self.spans[other] for other in others}

    def _ids_there(self, day: date) -> Ids:
        path = self._path(day, max(self.versions[day]))
        with self.zone.open(path) as source, pq.ParquetFile(source) as file:
            return _span(file, "trade_id"), path, self._kind_of(file)

    def _path(self, day: date, number: int) -> str:
        return f"{self.market.folder}/{_name(day, number)}"

    def publish(self, staged: _Staged) -> DayFile:
        """Put a finished day into the landing zone, unless it is there with equal rows."""
        day = _date(staged.day)
        numbers = sorted(self.versions.get(day, ()))
        earlier = [self._path(day, number) for number in numbers]
        ids = _numbers(staged.span) if self.kind == SINGLE else None
        found = DayFile(self.market, day, "", staged.rows, True, (), (), *staged.shared, ids)
        try:
            if staged.is_there:
                return replace(found, path=earlier[-1], is_new=False)
            if earlier and staged.kind_there != self.kind and not self.may_replace:
                raise CryptoError(
                    f"{earlier[-1]} holds {staged.kind_there} of that day, and {self.kind} would count the same again; "
                    "--replace writes them beside it and names that file for withdrawal."
                )
            path = self._path(day, numbers[-1] + 1 if numbers else 1)
            covered = [self._covers(staged, other) for other in earlier]
            self.zone.save(staged.path, path)
            staged.path.unlink()
            self.spans[day] = (staged.span, path, self.kind)
        except OSError as error:
            raise _unwritable(self.zone.root, error) from error
        return replace(
            found,
            path=path,
            replaced=tuple(other for other, is_covered in zip(earlier, covered, strict=True) if is_covered),
            kept=tuple(other for other, is_covered in zip(earlier, covered, strict=True) if not is_covered),
        )

    def _compare(self, staged: _Staged, path: str) -> None:
        """Find out what a file of a day is, and whether it has equal rows: of another kind, equal but for their ids."""
        with self.zone.open(path) as source, pq.ParquetFile(source) as old, pq.ParquetFile(staged.path) as new:
            staged.kind_there = self._kind_of(old)
            is_other = staged.kind_there != self.kind
            staged.is_there = not (is_other and self.may_replace) and _equal(old, new, with_ids=not is_other)

    def _kind_of(self, file: pq.ParquetFile) -> str:
        return str((file.metadata.metadata or {}).get(KIND, self.kind.encode()).decode())

    def _covers(self, staged: _Staged, path: str) -> bool:
        """Return whether staged trades take the place of an earlier file: they span its times, or are of another kind.

        Raise CryptoError if both have trades without ids of the same time: which are the same can't be told.
        """
        with self.zone.open(path) as source, pq.ParquetFile(source) as old, pq.ParquetFile(staged.path) as new:
            inner, outer = _span(old, "timestamp"), _span(new, "timestamp")
            is_other = self._kind_of(old) != self.kind
        if inner is None or is_other:
            return True
        if outer is None:
            return False
        covers = bool(outer[0] <= inner[0] and inner[1] <= outer[1])
        if self.kind == WITHOUT_IDS and not covers and outer[0] <= inner[1] and inner[0] <= outer[1]:
            raise CryptoError(
                f"{path} has trades without ids of a part of the same time, so those that are in both can't be told; "
                "import all files of that day at once."
            )
        return covers


def _numbers(span: Span) -> tuple[int, int] | None:
    """Return the first and the last id if they are numbers."""
    ends = [text.rsplit(":", 1)[1] for text in span or ()]
    return (int(ends[0]), int(ends[1])) if len(ends) == 2 and all(end.isdecimal() for end in ends) else None


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


def _equal(old: pq.ParquetFile, new: pq.ParquetFile, *, with_ids: bool) -> bool:
    """Return whether two files hold equal rows; bytes can differ by the version of the library that wrote them."""
    if (old.metadata.num_rows, old.num_row_groups) != (new.metadata.num_rows, new.num_row_groups):
        return False
    columns = None if with_ids else PAYLOAD[1:]
    groups = range(old.num_row_groups)
    return all(old.read_row_group(group, columns).equals(new.read_row_group(group, columns)) for group in groups)


def _span(file: pq.ParquetFile, name: str) -> Span:
    """Return the smallest and the largest value of a column, from the footer; None for a file without rows."""
    column = file.schema_arrow.names.index(name)
    groups = (file.metadata.row_group(group).column(column).statistics for group in range(file.num_row_groups))
    known = [statistics for statistics in groups if statistics and statistics.has_min_max]
    return (min(one.min for one in known), max(one.max for one in known)) if known else None


def _unwritable(folder: object, error: OSError) -> CryptoError:
    return CryptoError(f"{folder} can't be written ({first_line(error)}); check its permissions and the free space.")
