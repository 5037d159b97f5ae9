"""Rewrite raw Parquet files of any kind as files with the columns of ``bronze.trades``.

Spark can't read everything that Parquet allows (nanoseconds, unsigned integers, unusual column names), and one broken
page would fail a whole batch. Copying the files first takes about a fifth of the time of the append that follows, needs
little memory, and shows which file is broken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.landing_zone import LandingZone, RawFile
from lakehouse.errors import CryptoError, first_line

TIME = pa.timestamp("us", "UTC")
RAW = {
    "trade_id": pa.string(),
    "symbol": pa.string(),
    "price": pa.float64(),
    "volume": pa.float64(),
    "trade_type": pa.string(),
    "exchange": pa.string(),
    "timestamp": TIME,
    "user_id": pa.string(),
}
LINEAGE = {
    "source_file": pa.string(),
    "source_row": pa.int64(),
    "file_modified_at": TIME,
    "ingestion_timestamp": TIME,
    "batch_id": pa.int64(),
    "_rescued_data": pa.string(),
}
SCHEMA = pa.schema(RAW | LINEAGE)
OPTIONAL = {"user_id"}
# Ids that can be integers: some exchanges number their trades and users.
NUMBERED = {"trade_id", "user_id"}
# The times that both Spark and Python can represent: the years 1 to 9999, in seconds since 1970.
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Rows that are read at a time, and rows that are collected before a row group is written.
BATCH_ROWS = 32_768
GROUP_ROWS = 131_072
WORKERS = 4


@dataclass(eq=False)
class SetAside(Exception):
    """Why a file can't land; ``lasting`` is False if the same, unchanged file can become readable later."""

    reason: str
    detail: str
    lasting: bool = True


class Vanished(Exception):
    """Raised for a file that was removed or rewritten after it was listed; the next run lists it again."""


OnFile = Callable[[str, int], None]


@dataclass(frozen=True)
class Batch:
    """One ingestion run: its landing zone, its batch number, and when it began (UTC)."""

    zone: LandingZone
    number: int
    started_at: datetime


@dataclass(frozen=True)
class Staged:
    """The result of copying files.

    ``rows`` has the number of rows of each copied file, ``set_aside`` the cause for each file that can't land.
    ``spoiled`` files failed after some of their rows had been copied: a reader must leave these rows out.
    """

    rows: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    spoiled: list[str] = field(default_factory=list)


def normalise(batch: Batch, files: Sequence[RawFile], folder: Path, on_file: OnFile | None = None) -> Staged:
    """Copy ``files`` into Parquet files with SCHEMA in ``folder``, keeping the order of rows within a file.

    ``on_file``, if given, is called with each copied file and its number of rows, from any of the worker threads.
    Raise CryptoError if the folder can't be written.
    """
    result = Staged()
    if not files:
        return result
    parts = [files[worker::WORKERS] for worker in range(min(WORKERS, len(files)))]
    try:
        folder.mkdir(parents=True)
        with ThreadPoolExecutor(WORKERS) as pool:
            for part in pool.map(partial(_copy, batch, folder, on_file), range(len(parts)), parts):
                result.rows.update(part.rows)
                result.set_aside.update(part.set_aside)
                result.spoiled.extend(part.spoiled)
    except OSError as error:
        raise CryptoError(
            f"{folder} can't be written ({first_line(error)}); check its permissions and the free space."
        ) from error
    return result


def _copy(batch: Batch, folder: Path, on_file: OnFile | None, part: int, files: Sequence[RawFile]) -> Staged:
    """Copy some files into one. Small files share a row group, because thousands of groups are slow to read."""
    result, buffer = Staged(), list[pa.RecordBatch]()
    with pq.ParquetWriter(folder / f"part-{part}.parquet", SCHEMA, compression="snappy") as writer:

        def flush() -> None:
            if buffer:
                writer.write_table(pa.Table.from_batches(buffer, SCHEMA))
                buffer.clear()

        for file in files:
            # Where the file's batches begin in the buffer, its rows so far, and whether some of them are written.
            start, rows, is_written = len(buffer), 0, False
            try:
                for records in _read(batch, file):
                    buffer.append(records)
                    rows += records.num_rows
                    if sum(map(len, buffer)) >= GROUP_ROWS:
                        flush()
                        start, is_written = 0, True
                result.rows[file.path] = rows
                if on_file:
                    on_file(file.path, rows)
            except SetAside as why:
                result.set_aside[file.path] = why
            except Vanished:
                pass
            if file.path not in result.rows:
                del buffer[start:]
                result.spoiled.extend([file.path] * is_written)
        flush()
    return result


def _read(batch: Batch, file: RawFile) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows with SCHEMA; raise SetAside or Vanished, possibly after some rows have been yielded."""
    if not file.size:
        raise SetAside("empty", "the file has zero bytes")
    try:
        with (
            batch.zone.open(file.path) as source,
            pq.ParquetFile(source, buffer_size=4 << 20, page_checksum_verification=True) as parquet,
        ):
            _check(parquet.schema_arrow)
            first = 0
            for records in parquet.iter_batches(BATCH_ROWS):
                yield _convert(records, batch, file, first)
                first += records.num_rows
        if not batch.zone.holds(file):
            raise Vanished
    except (SetAside, Vanished):
        raise
    except Exception as error:
        # Whatever error the reader raises for one file, the other files must still land.
        raise _cause(batch.zone, file, error) from error


def _cause(zone: LandingZone, file: RawFile, error: Exception) -> Exception:
    """Return the cause of a failed read, found by reading the bytes again.

    pyarrow raises the same errors for a broken file and for a lost connection.
    """
    try:
        if not zone.holds(file):
            return Vanished()
        with zone.open(file.path) as source:
            while source.read(4 << 20):
                pass
    except FileNotFoundError:
        return Vanished()
    except OSError as access:
        return SetAside("unreadable", f"the file can't be opened: {first_line(access)}", lasting=False)
    return SetAside("unreadable", f"the file is not readable Parquet: {first_line(error)}")


def _check(schema: pa.Schema) -> None:
    """Raise SetAside if a required column is missing, or a known column is duplicated or has an impossible type."""
    missing = [name for name in RAW if name not in schema.names and name not in OPTIONAL]
    if missing:
        raise SetAside("missing_column", f"no column {', '.join(missing)}")
    duplicated = [name for name in RAW if schema.names.count(name) > 1]
    if duplicated:
        raise SetAside("impossible_type", f"more than one column {', '.join(duplicated)}")
    wrong = [
        f"{name} is {schema.field(name).type}"
        for name in RAW
        if name in schema.names and not _fits(name, _value_type(schema.field(name).type))
    ]
    if wrong:
        raise SetAside("impossible_type", ", ".join(wrong))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _fits(name: str, kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_null(kind):
        return True
    if name == "timestamp":
        return types.is_timestamp(kind)
    if name in ("price", "volume"):
        return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return text or binary or (name in NUMBERED and types.is_integer(kind))


def _convert(records: pa.RecordBatch, batch: Batch, file: RawFile, first: int) -> pa.RecordBatch:
    """Return ``records`` converted to SCHEMA; ``first`` is the position of their first row in the file, from 0."""
    rows, names = records.num_rows, records.schema.names
    rescued = {name: records.column(i) for i, name in enumerate(names) if name not in RAW}
    columns = []
    for name, target in RAW.items():
        values = records.column(name) if name in names else pa.nulls(rows)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if name == "timestamp":
            values, lost = _to_microseconds(values)
            if lost is not None:
                rescued[name] = lost
        elif pa.types.is_decimal(values.type):
            # pyarrow's direct cast from decimal to double can be wrong in the last digit, so cast from text.
            values = values.cast(pa.string())
        columns.append(values.cast(target, safe=False))
    columns += [
        pa.repeat(pa.scalar(file.path), rows),
        pa.array(range(first, first + rows), pa.int64()),
        pa.repeat(pa.scalar(file.modified_at, TIME), rows),
        pa.repeat(pa.scalar(batch.started_at, TIME), rows),
        pa.repeat(pa.scalar(batch.number, pa.int64()), rows),
        _json(rescued, rows),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _to_microseconds(values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return times that can be cast to microseconds, and the raw numbers, as text, of those out of range.

    The second array is None if no time is out of range; the first has nulls in their place.
    """
    if pa.types.is_null(values.type):
        return values, None
    per_second = UNITS[values.type.unit]
    low, high = FIRST_SECOND * per_second, (LAST_SECOND + 1) * per_second - 1
    numbers = values.cast(pa.int64())
    lost = None
    if values.type.unit != "ns":
        outside = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
        if pc.any(outside).as_py():
            lost = pc.if_else(outside, numbers.cast(pa.string()), None)
            numbers = pc.if_else(outside, None, numbers)
    return numbers.cast(pa.timestamp(values.type.unit, "UTC")), lost


def _json(columns: dict[str, pa.Array], rows: int) -> pa.Array:
    """Return each row's values that are not null as a JSON object, or null for a row that has none."""
    values = {name: _python_values(column) for name, column in columns.items() if column.null_count < rows}
    if not values:
        return pa.nulls(rows, pa.string())
    objects = (
        {name: value for name, value in zip(values, row, strict=True) if value is not None}
        for row in zip(*values.values(), strict=True)
    )
    return pa.array([_dump(json_object) if json_object else None for json_object in objects], pa.string())


def _python_values(column: pa.Array) -> list[object]:
    if pa.types.is_temporal(column.type):
        return column.cast(pa.string()).to_pylist()
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        # Python can't represent the value, such as a nested time after the year 9999; Arrow can still print it.
        cells = (column.slice(row, 1) for row in range(len(column)))
        return [None if cell.null_count else cell.to_string(skip_new_lines=True) for cell in cells]


def _dump(json_object: dict[str, object]) -> str:
    try:
        return json.dumps(json_object, ensure_ascii=False, allow_nan=False, default=_text)
    except ValueError:
        # JSON has no NaN and no infinity, so such objects hold all values as text.
        return json.dumps({name: str(value) for name, value in json_object.items()}, ensure_ascii=False)


def _text(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
