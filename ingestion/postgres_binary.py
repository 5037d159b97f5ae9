"""Rows in the binary form in which Postgres receives and sends them, made from Arrow by whole columns.

COPY takes them without parsing a number, every bit arrives, and the checksum of a row can be computed on
both sides: Postgres' ``record_send`` gives, for a stored row, the very bytes built here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
# Postgres counts from 2000-01-01.
EPOCH_DAYS = 10_957
EPOCH_MICROSECONDS = EPOCH_DAYS * 86_400_000_000
# Rows that are laid out at a time: few enough to stay in the processor's cache.
SLICE_ROWS = 8_192
NUMERIC_NEGATIVE = 0x4000

# Spark's name of a type, Postgres' name and the number by which Postgres knows it.
TYPES = {
    "string": ("text", 25),
    "bigint": ("bigint", 20),
    "int": ("integer", 23),
    "boolean": ("boolean", 16),
    "double": ("double precision", 701),
    "date": ("date", 1082),
    "timestamp": ("timestamp with time zone", 1184),
}
NUMERIC_OID = 1700

Bytes = np.ndarray


def postgres_type(spark_type: str) -> tuple[str, int] | None:
    """Postgres' name and number of the type that holds exactly what Spark's holds, or None."""
    if spark_type.startswith("decimal("):
        return "numeric" + spark_type.removeprefix("decimal"), NUMERIC_OID
    return TYPES.get(spark_type)


@dataclass
class Rows:
    """Encoded rows: what COPY takes, how many they are, and the sum of their checksums."""

    copy: bytes
    count: int
    checksum: int


def encode(table: pa.Table, oids: Sequence[int]) -> Iterator[Rows]:
    """Encode rows whose columns stand in the target's order; ``oids`` are the target's types."""
    for batch in table.to_batches(max_chunksize=SLICE_ROWS):
        if batch.num_rows:
            yield _encode(batch, oids)


def _encode(batch: pa.RecordBatch, oids: Sequence[int]) -> Rows:
    rows = batch.num_rows
    # One matrix has a line per row and room for the longest value of each column; a mask says what counts.
    # As in record_send: number of columns, then type, length and value of each. COPY has neither the types
    # nor the upper half of the number of columns.
    count = np.broadcast_to(_bytes(np.array([len(oids)]), ">i4"), (rows, 4))
    parts: list[Bytes] = [count]
    masks: list[Bytes] = [np.ones((rows, 4), bool)]
    in_copy: list[bool] = [False, False, True, True]
    for column, oid in zip(batch.columns, oids, strict=True):
        value, mask = _value(column, oid)
        valid = np.asarray(column.is_valid())
        mask = mask & valid[:, None]
        length = np.where(valid, mask.sum(axis=1), -1)
        parts += [np.broadcast_to(_bytes(np.array([oid]), ">i4"), (rows, 4)), _bytes(length, ">i4"), value]
        masks += [np.ones((rows, 8), bool), mask]
        in_copy += [False] * 4 + [True] * (4 + value.shape[1])
    matrix, mask = np.concatenate(parts, axis=1), np.concatenate(masks, axis=1)
    records = memoryview(matrix[mask])
    copied = np.array(in_copy)
    return Rows(matrix[:, copied][mask[:, copied]].tobytes(), rows, _checksum(records, mask.sum(axis=1)))


def _checksum(records: memoryview, lengths: np.ndarray) -> int:
    """Sum of the first 60 bits of each record's SHA-256, as crypto.fingerprint computes it."""
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    sha256 = hashlib.sha256
    digests = b"".join(sha256(records[start:end]).digest()[:8] for start, end in zip(starts, ends, strict=True))
    hashes = np.frombuffer(digests, ">u8") >> np.uint64(4)
    # Halves, because a sum of 60-bit numbers does not fit 64 bits.
    return (int((hashes >> np.uint64(30)).sum()) << 30) + int((hashes & np.uint64(2**30 - 1)).sum())


def _bytes(values: np.ndarray, dtype: str) -> Bytes:
    fixed = np.ascontiguousarray(values.astype(dtype))
    return fixed.view(np.uint8).reshape(len(fixed), fixed.dtype.itemsize)


def _value(column: pa.Array, oid: int) -> tuple[Bytes, Bytes]:
    """The bytes of each value, padded, and which of them count; a null's bytes are any."""
    if oid == NUMERIC_OID:
        return _numeric(column)
    if oid == TYPES["string"][1]:
        return _text(column)
    if oid == TYPES["double"][1]:
        doubles = column.fill_null(0).to_numpy(zero_copy_only=False)
        # One zero and one not-a-number, as for everyone who compares values.
        doubles = np.where(np.isnan(doubles), np.nan, doubles + 0.0)
        value = _bytes(doubles, ">f8")
    elif oid == TYPES["date"][1]:
        value = _bytes(_integers(column.cast(pa.int32())) - EPOCH_DAYS, ">i4")
    elif oid == TYPES["timestamp"][1]:
        microseconds = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        value = _bytes(_integers(microseconds) - EPOCH_MICROSECONDS, ">i8")
    elif oid == TYPES["boolean"][1]:
        value = _bytes(_integers(column.cast(pa.int8())), ">i1")
    else:
        value = _bytes(_integers(column), ">i8" if oid == TYPES["bigint"][1] else ">i4")
    return value, np.ones(value.shape, bool)


def _integers(column: pa.Array) -> np.ndarray:
    return column.fill_null(0).to_numpy(zero_copy_only=False)


def _text(column: pa.Array) -> tuple[Bytes, Bytes]:
    column = column.cast(pa.large_binary()).fill_null(b"")
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset :][: len(column) + 1]
    lengths = np.diff(offsets)
    mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    value = np.zeros(mask.shape, np.uint8)
    data = np.frombuffer(column.buffers()[2] or b"", np.uint8)
    value[mask] = data[offsets[0] : offsets[-1]]
    return value, mask


def _numeric(column: pa.Array) -> tuple[Bytes, Bytes]:
    """Decimals as Postgres keeps them: digits of base 10,000 without outer zeros, and where they stand."""
    scale = column.type.scale
    limbs = np.frombuffer(column.buffers()[1], np.uint64)[2 * column.offset :][: 2 * len(column)]
    low, high = limbs[0::2].copy(), limbs[1::2].copy()
    valid = np.asarray(column.is_valid())
    low[~valid], high[~valid] = 0, 0
    negative = high >> np.uint64(63) == 1
    high = np.where(negative, ~high + (low == 0), high)
    low = np.where(negative, ~low + np.uint64(1), low)
    half = np.uint64(32)
    parts = [high >> half, high & np.uint64(2**32 - 1), low >> half, low & np.uint64(2**32 - 1)]

    fraction = -(-scale // 4)  # digits after the point
    digits = []
    # The last digit of base 10,000 can hold less than four decimal places.
    for places in [scale % 4 or 4, *[4] * (column.type.precision // 4 + 1)]:
        parts, rest = _divide(parts, 10**places)
        digits.append(rest * np.uint64(10 ** (4 - places)))
    ten_thousands = np.stack(digits[::-1], axis=1)
    size = ten_thousands.shape[1]

    nonzero = ten_thousands != 0
    empty = ~nonzero.any(axis=1)
    first = np.where(empty, size, nonzero.argmax(axis=1))
    last = np.where(empty, 0, size - nonzero[:, ::-1].argmax(axis=1))
    count = np.maximum(last - first, 0)
    weight = np.where(empty, 0, size - fraction - 1 - first)
    header = np.stack([count, weight, negative * NUMERIC_NEGATIVE, np.full(len(column), scale)], axis=1)
    place = np.arange(size)
    counts = (place >= first[:, None]) & (place < last[:, None])
    mask = np.repeat(np.concatenate([np.ones(header.shape, bool), counts], axis=1), 2, axis=1)
    words = np.concatenate([header.astype(np.int64), ten_thousands.astype(np.int64)], axis=1)
    return words.astype(">i2").view(np.uint8), mask


def _divide(parts: list[np.ndarray], divisor: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Divide numbers given as 32-bit parts, highest first; parts that are all zero are left out."""
    while len(parts) > 1 and not parts[0].any():
        parts = parts[1:]
    by = np.uint64(divisor)
    rest = np.zeros(len(parts[0]), np.uint64)
    quotients = []
    for part in parts:
        value = rest << np.uint64(32) | part
        quotients.append(value // by)
        rest = value - quotients[-1] * by
    return quotients, rest
