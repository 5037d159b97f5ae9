"""Rewrite raw Parquet files of any kind as files with the columns of ``bronze.trades``.

Spark can't read everything that Parquet allows (nanoseconds, unsigned integers, unusual column names), and one broken
page would fail a whole batch. Copying the files first takes about a fifth of the time of the append that follows, needs
little memory, and shows which file is broken.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Collection, Iterator, Sequence
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
from lakehouse.storage import raw_trades
from lakehouse.storage.raw_trades import TIME

RAW = {column.name: column.type for column in raw_trades.SCHEMA}
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
# Footers are rarely longer; one read of a file's end is enough then.
TAIL_BYTES = 65_536


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
    """One ingestion run: its landing zone, its batch number, and when it began (UTC).

    ``memory`` is the number of bytes that BATCH_ROWS rows of a file may unpack to.
    """

    zone: LandingZone
    number: int
    started_at: datetime
    memory: int = 256 * 2**20


@dataclass(frozen=True)
class StagedFiles:
    """The result of copying files.

    ``rows`` has the number of rows of each copied file, ``set_aside`` the cause for each file that can't land.
    ``spoiled`` files failed after some of their rows had been copied: a reader must leave these rows out.
    """

    rows: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    spoiled: list[str] = field(default_factory=list)


def normalise(batch: Batch, files: Sequence[RawFile], folder: Path, on_file: OnFile | None = None) -> StagedFiles:
    """Copy ``files`` into Parquet files with SCHEMA in ``folder``, keeping the order of rows within a file.

    ``on_file``, if given, is called with each copied file and its number of rows, from any of the worker threads.
    Raise CryptoError if the folder can't be written.
    """
    result = StagedFiles()
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


def _copy(batch: Batch, folder: Path, on_file: OnFile | None, part: int, files: Sequence[RawFile]) -> StagedFiles:
    """Copy some files into one. Small files share a row group, because thousands of groups are slow to read."""
    result, buffer = StagedFiles(), list[pa.RecordBatch]()
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
        with batch.zone.open(file) as source, _open(source, _metadata(source)) as parquet:
            names = parquet.schema_arrow.names
            _check(parquet.schema_arrow)
            columns = [name for name in RAW if name in names]
            if needed := _excess_memory(source, parquet, columns, batch.memory):
                raise SetAside("too_large", needed)
            # A column that is not needed never costs the file.
            extra = {name: _fault(source, parquet, name, batch.memory) for name in names if name not in RAW}
            columns += [name for name, fault in extra.items() if not fault]
            faults = {name: f"not readable: {fault}" for name, fault in extra.items() if fault}
            first = 0
            times = _int96_milliseconds(source, parquet)
            for records in parquet.iter_batches(BATCH_ROWS, columns=columns):
                yield _convert(records, batch, file, first, milliseconds=next(times), faults=faults)
                first += records.num_rows
        if not batch.zone.holds(file):
            raise Vanished
    except (SetAside, Vanished):
        raise
    except Exception as error:
        # Whatever error the reader raises for one file, the other files must still land.
        raise _cause(batch.zone, file, error) from error


def _metadata(source: pa.NativeFile) -> pq.FileMetaData:
    """Return what a file's footer says of it, without the Arrow schema that a writer may have noted there.

    The types of Parquet itself are enough, and more files can be read by them alone: Arrow knows neither every writer's
    types nor its time zones, and casts to the noted types fail for text that is not UTF-8.
    """
    size = source.size()
    source.seek(max(0, size - TAIL_BYTES))
    tail = source.read()
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < length <= size:
        source.seek(size - length)
        tail = source.read()
    footer = tail[-length:].replace(b"ARROW:schema", b"ARROW_schema")
    return pq.read_metadata(io.BytesIO(b"PAR1" + footer))


def _open(
    source: pa.NativeFile, metadata: pq.FileMetaData, *, unit: str = "us", texts: Sequence[str] = ()
) -> pq.ParquetFile:
    """Open a Parquet file; ``unit`` is that of INT96 times, ``texts`` are columns to be read as dictionaries.

    Spark's and Hive's INT96 holds millions of years, which 64-bit nanoseconds, pyarrow's default, do not.
    """
    return pq.ParquetFile(
        source,
        metadata=metadata,
        buffer_size=4 << 20,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit=unit,
        read_dictionary=list(texts),
    )


def _int96_milliseconds(source: pa.NativeFile, parquet: pq.ParquetFile) -> Iterator[pa.Array | None]:
    """Yield the times of each batch in milliseconds, in which every INT96 fits; None if the times are no INT96."""
    leaves = map(parquet.schema.column, range(len(parquet.schema)))
    if not any(leaf.path == "timestamp" and leaf.physical_type == "INT96" for leaf in leaves):
        while True:
            yield None
    for records in _open(source, parquet.metadata, unit="ms").iter_batches(BATCH_ROWS, columns=["timestamp"]):
        yield records.column("timestamp")


def _fault(source: pa.NativeFile, parquet: pq.ParquetFile, name: str, memory: int) -> str | None:
    """Return why an extra column can't be read, None if it can."""
    try:
        if needed := _excess_memory(source, parquet, [name], memory):
            return needed
        for _ in parquet.iter_batches(BATCH_ROWS, columns=[name]):
            pass
    except Exception as error:
        return first_line(error)
    return None


def _excess_memory(source: pa.NativeFile, parquet: pq.ParquetFile, columns: Collection[str], memory: int) -> str | None:
    """Return a sentence if BATCH_ROWS rows of these columns unpack to more than ``memory`` bytes, else None.

    A dictionary holds a value of any length once for all rows that repeat it.
    """
    for number in range(parquet.metadata.num_row_groups):
        group = parquet.metadata.row_group(number)
        rows = min(group.num_rows, BATCH_ROWS)
        leaves = {leaf.path_in_schema: leaf for leaf in map(group.column, range(group.num_columns))}
        leaves = {path: leaf for path, leaf in leaves.items() if {path, path.split(".")[0]} & {*columns}}
        texts = {
            path: leaf.total_uncompressed_size * leaf.num_values / max(1, group.num_rows)
            for path, leaf in leaves.items()
            if leaf.has_dictionary_page and leaf.physical_type == "BYTE_ARRAY"
        }
        longest = dict.fromkeys(texts, 0)
        if rows * sum(texts.values()) > memory:
            for text in texts:
                reader = _open(source, parquet.metadata, texts=[text])
                records = next(reader.iter_batches(1, row_groups=[number], columns=[text]))
                longest[text] = max(map(_longest, records.columns))
        needed = 0.0
        for path, leaf in leaves.items():
            values = leaf.num_values / max(1, group.num_rows)
            packed = leaf.total_uncompressed_size / max(1, group.num_rows)
            needed += rows * (values * (8 + longest.get(path, 0)) + packed)
        if needed > memory and _largest_batch(parquet, number, columns, memory, needed / rows) > memory:
            return f"{rows:,} rows unpack to more than {memory:,} bytes (CRYPTO_BATCH_MEMORY)"
    return None


def _largest_batch(parquet: pq.ParquetFile, group: int, columns: Collection[str], memory: int, row_bytes: float) -> int:
    """Return the bytes of the largest batch of a row group, read in small steps, or of the first beyond ``memory``."""
    step = max(1, int(memory / row_bytes))
    total = rows = largest = 0
    for records in parquet.iter_batches(step, row_groups=[group], columns=list(columns)):
        total, rows = total + records.nbytes, rows + records.num_rows
        largest = max(largest, total)
        if largest > memory:
            break
        if rows >= BATCH_ROWS:
            total = rows = 0
    return largest


def _longest(values: pa.Array) -> int:
    """Return the length of the longest text in the dictionaries of an array."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return pc.max(pc.binary_length(values.dictionary)).as_py() or 0
    if pa.types.is_struct(kind):
        return max((_longest(values.field(place)) for place in range(kind.num_fields)), default=0)
    if pa.types.is_map(kind):
        return max(_longest(values.keys), _longest(values.items))
    return _longest(values.values) if pa.types.is_nested(kind) else 0


def _cause(zone: LandingZone, file: RawFile, error: Exception) -> Exception:
    """Return the cause of a failed read, found by reading the bytes again.

    pyarrow raises the same errors for a broken file and for a lost connection.
    """
    try:
        if not zone.holds(file):
            return Vanished()
        with zone.open(file) as source:
            while source.read(4 << 20):
                pass
    except FileNotFoundError:
        return Vanished()
    except OSError as access:
        return SetAside("unreadable", f"the file can't be opened: {first_line(access)}", lasting=False)
    except ValueError as name:
        # Arrow lists a key with an empty part (//) and then refuses it.
        return SetAside("unreadable", f"a key like this can't be opened ({first_line(name)}); copy it to another key")
    return SetAside("unreadable", f"the file is not readable Parquet: {first_line(error)}")


def _check(schema: pa.Schema) -> None:
    """Raise SetAside if a required column is missing, or a known column is duplicated or has an impossible type."""
    missing = [name for name in RAW if name not in schema.names and name not in OPTIONAL]
    if missing:
        alike = [name for name in schema.names if name not in RAW and name.strip().lower() in missing]
        hint = f"; there is {', '.join(map(repr, alike))}, but names must be written exactly so" if alike else ""
        raise SetAside("missing_column", f"no column {', '.join(missing)}{hint}")
    duplicated = [name for name in RAW if schema.names.count(name) > 1]
    if duplicated:
        raise SetAside("impossible_type", f"more than one column {', '.join(duplicated)}")
    wrong = [
        f"{name} is {schema.field(name).type}"
        for name in RAW
        if name in schema.names and not _fits(name, schema.field(name).type)
    ]
    if wrong:
        raise SetAside("impossible_type", ", ".join(wrong))


def _fits(name: str, kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_null(kind):
        return True
    if name == "timestamp":
        return types.is_timestamp(kind)
    if name in ("price", "volume"):
        return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return types.is_string(kind) or types.is_binary(kind) or (name in NUMBERED and types.is_integer(kind))


def _convert(
    records: pa.RecordBatch,
    batch: Batch,
    file: RawFile,
    first: int,
    *,
    milliseconds: pa.Array | None = None,
    faults: dict[str, str] | None = None,
) -> pa.RecordBatch:
    """Return ``records`` converted to SCHEMA; ``first`` is the position of their first row in the file, from 0.

    ``milliseconds`` are the times again, if they are INT96; ``faults`` are columns that can't be read, and why.
    """
    rows, names = records.num_rows, records.schema.names
    rescued = {name: records.column(i) for i, name in enumerate(names) if name not in RAW}
    rescued |= {name: pa.repeat(fault, rows) for name, fault in (faults or {}).items()}
    columns = []
    for name, target in RAW.items():
        values = records.column(name) if name in names else pa.nulls(rows)
        lost = None
        if name == "timestamp":
            values, lost = _to_microseconds(values, milliseconds)
        elif pa.types.is_decimal(values.type):
            # pyarrow's direct cast from decimal to double can be wrong in the last digit, so cast from text.
            values = values.cast(pa.string())
        values = values.cast(target, safe=False)
        if target == pa.string():
            values, lost = _readable(values)
        if lost is not None:
            rescued[name] = lost
        columns.append(values)
    columns += [
        pa.repeat(pa.scalar(file.path), rows),
        pa.array(range(first, first + rows), pa.int64()),
        pa.repeat(pa.scalar(file.modified_at, TIME), rows),
        pa.repeat(pa.scalar(batch.started_at, TIME), rows),
        pa.repeat(pa.scalar(batch.number, pa.int64()), rows),
        _json(rescued, rows),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _to_microseconds(values: pa.Array, milliseconds: pa.Array | None) -> tuple[pa.Array, pa.Array | None]:
    """Return times that can be cast to microseconds, and the raw numbers, as text, of those out of range.

    The second array is None if no time is out of range; the first has nulls in their place. The range is looked up in
    ``milliseconds`` where they are given, since these times can be beyond the range of microseconds too.
    """
    if pa.types.is_null(values.type):
        return values, None
    per_second = UNITS[values.type.unit]
    numbers = values.cast(pa.int64())
    lost = None
    if values.type.unit != "ns":
        judged = numbers if milliseconds is None else milliseconds.cast(pa.int64())
        judged_per_second = per_second if milliseconds is None else UNITS["ms"]
        low, high = FIRST_SECOND * judged_per_second, (LAST_SECOND + 1) * judged_per_second - 1
        outside = pc.or_(pc.less(judged, low), pc.greater(judged, high))
        if pc.any(outside).as_py():
            lost = pc.if_else(outside, judged.cast(pa.string()), None)
            numbers = pc.if_else(outside, None, numbers)
    return numbers.cast(pa.timestamp(values.type.unit, "UTC")), lost


def _readable(values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return text as UTF-8, in which other bytes appear as ``\\xe9``, and such text as it was, in base64.

    Parquet promises UTF-8, but writers do not check it, and other readers of bronze would fail. The second array is
    None if all text is UTF-8.
    """
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        raw = values.view(pa.binary()).to_pylist()
        lost = [None if text is None or _is_utf8(text) else base64.b64encode(text).decode() for text in raw]
        text = [None if text is None else text.decode(errors="backslashreplace") for text in raw]
        return pa.array(text, pa.string()), pa.array(lost, pa.string())
    return values, None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


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
    try:
        return (column.cast(pa.string()) if pa.types.is_temporal(column.type) else column).to_pylist()
    except Exception:
        # Python can't represent a value, such as a nested time after the year 9999 or in a zone that only its writer
        # knows, or text that is not UTF-8.
        return [_python_value(cell) for cell in column]


def _python_value(cell: pa.Scalar) -> object:
    """Return a value that JSON can hold, whatever its type is."""
    return _valid_value(cell) if cell.is_valid else None


def _valid_value(cell: pa.Scalar) -> object:
    kind = cell.type
    if isinstance(cell, pa.StructScalar):
        return {field.name: _python_value(cell[place]) for place, field in enumerate(kind)}
    if pa.types.is_nested(kind):
        return [_python_value(value) for value in cell.values]
    if pa.types.is_timestamp(kind):
        return pa.scalar(cell.value, pa.timestamp(kind.unit, "UTC" if kind.tz else None)).cast(pa.string()).as_py()
    if isinstance(cell, pa.StringScalar):
        return cell.as_buffer().to_pybytes().decode(errors="backslashreplace")
    return cell.cast(pa.string()).as_py() if pa.types.is_temporal(kind) else cell.as_py()


def _dump(json_object: dict[str, object]) -> str:
    try:
        return json.dumps(json_object, ensure_ascii=False, allow_nan=False, default=_text)
    except ValueError:
        # JSON has no NaN and no infinity, so such objects hold all values as text.
        return json.dumps({name: str(value) for name, value in json_object.items()}, ensure_ascii=False)


def _text(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
