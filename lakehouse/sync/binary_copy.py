"""Encode Arrow tables, a column at a time, in the binary format of Postgres' COPY.

COPY parses no text then, and every bit of a value is kept. The checksum of a row can be computed on both sides,
because Postgres' ``record_send`` returns for a stored row exactly the bytes that are built here. The format is
described in Postgres' documentation of COPY (section "Binary Format").
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
# Postgres' epoch is 2000-01-01, Arrow's 1970-01-01.
EPOCH_DAYS = 10_957
EPOCH_MICROSECONDS = EPOCH_DAYS * 86_400_000_000
# Rows that are encoded at a time: few enough to stay in the processor's cache.
SLICE_ROWS = 8_192
# The sign field of a negative numeric.
NUMERIC_NEGATIVE = 0x4000

# By Spark's name of a type: Postgres' name and its object id (OID).
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

# The length that stands for a null.
NULL = struct.pack(">i", -1)


def postgres_type(spark_type: str) -> tuple[str, int] | None:
    """Return name and OID of the Postgres type that holds exactly the values of a Spark type, None if there is none."""
    if spark_type.startswith("decimal("):
        return "numeric" + spark_type.removeprefix("decimal"), NUMERIC_OID
    return TYPES.get(spark_type)


@dataclass
class Rows:
    """Encoded rows: the bytes for COPY, the number of rows, and the sum of their checksums."""

    copy: bytes
    count: int
    checksum: int


def encode(table: pa.Table, oids: Sequence[int]) -> Iterator[Rows]:
    """Yield encoded rows of ``table``, at most SLICE_ROWS each.

    The columns must be in the order of the target table; ``oids`` are the types of its columns.
    """
    for batch in table.to_batches(max_chunksize=SLICE_ROWS):
        if batch.num_rows:
            yield _encode(batch, oids)


def _encode(batch: pa.RecordBatch, oids: Sequence[int]) -> Rows:
    # record_send gives the number of columns in 4 bytes, then type, length and value of each; COPY has no types
    # and gives the number of columns in 2 bytes.
    column_count = struct.pack(">i", len(oids))
    fields = [_field(column, oid) for column, oid in zip(batch.columns, oids, strict=True)]
    typed = [part for oid, field in zip(oids, fields, strict=True) for part in (struct.pack(">i", oid), field)]
    records = _join(column_count, *typed)
    return Rows(_join(column_count[2:], *fields).buffers()[2].to_pybytes(), batch.num_rows, _checksum(records))


def _checksum(records: pa.Array) -> int:
    """Return the sum of the first 60 bits of each record's SHA-256, as crypto.fingerprint in Postgres computes it."""
    data, sha256 = memoryview(records.buffers()[2]), hashlib.sha256
    offsets = np.frombuffer(records.buffers()[1], np.int64).tolist()
    digests = b"".join(sha256(data[start:end]).digest()[:8] for start, end in pairwise(offsets))
    hashes = np.frombuffer(digests, ">u8") >> np.uint64(4)
    # Sum the upper and lower 30 bits separately, because a sum of 60-bit numbers overflows 64 bits.
    return (int((hashes >> np.uint64(30)).sum()) << 30) + int((hashes & np.uint64(2**30 - 1)).sum())


def _join(*parts: pa.Array | bytes) -> pa.Array:
    """Concatenate the parts of each row; a part given as bytes is the same in all rows."""
    kind = pa.large_binary()
    return pc.binary_join_element_wise(
        *(pa.scalar(part, kind) if isinstance(part, bytes) else part for part in parts), pa.scalar(b"", kind)
    )


def _split(values: np.ndarray, lengths: np.ndarray | int, rows: int) -> pa.Array:
    """Split the contiguous bytes of ``values`` into one piece per row; ``lengths`` are in bytes."""
    offsets = np.zeros(rows + 1, np.int64)
    offsets[1:] = lengths
    return pa.Array.from_buffers(
        pa.large_binary(), rows, [None, pa.py_buffer(offsets.cumsum()), pa.py_buffer(np.ascontiguousarray(values))]
    )


def _field(column: pa.Array, oid: int) -> pa.Array:
    """Encode a column as length and value of each row; a null has only the length -1."""
    if oid == TYPES["string"][1]:
        values = column.cast(pa.large_binary())
        lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy().astype(">i4")
        field = _join(_split(lengths, 4, len(column)), values)
    elif oid == NUMERIC_OID:
        field = _numeric(column)
    else:
        field = _fixed(column, oid)
    return pc.if_else(column.is_valid(), field, pa.scalar(NULL, field.type)) if column.null_count else field


def _fixed(column: pa.Array, oid: int) -> pa.Array:
    """Encode a column whose values have the same length in all rows."""
    if oid == TYPES["double"][1]:
        doubles = column.fill_null(0).to_numpy(zero_copy_only=False)
        # Values that compare as equal must have equal bytes: -0.0 becomes 0.0, and every NaN the same NaN.
        values, kind = np.where(np.isnan(doubles), np.nan, doubles + 0.0), ">f8"
    elif oid == TYPES["date"][1]:
        values, kind = _integers(column.cast(pa.int32())) - EPOCH_DAYS, ">i4"
    elif oid == TYPES["timestamp"][1]:
        microseconds = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        values, kind = _integers(microseconds) - EPOCH_MICROSECONDS, ">i8"
    elif oid == TYPES["boolean"][1]:
        values, kind = _integers(column.cast(pa.int8())), ">i1"
    else:
        values, kind = _integers(column), ">i8" if oid == TYPES["bigint"][1] else ">i4"
    field = np.empty(len(values), [("length", ">i4"), ("value", kind)])
    field["length"], field["value"] = field.dtype["value"].itemsize, values
    return _split(field, field.dtype.itemsize, len(field))


def _integers(column: pa.Array) -> np.ndarray:
    return column.fill_null(0).to_numpy(zero_copy_only=False)


def _numeric(column: pa.Array) -> pa.Array:
    """Encode decimals as Postgres' numeric: digits of base 10,000 without leading and trailing zeros.

    Each value has the number of digits, the weight of the first digit (its power of 10,000), sign, scale and digits,
    2 bytes each.
    """
    scale = column.type.scale
    # A decimal128 is a signed integer of two 64-bit words, the lower first; from here on, sign and magnitude.
    words = np.frombuffer(column.buffers()[1], np.uint64)[2 * column.offset :][: 2 * len(column)]
    low, high = words[0::2].copy(), words[1::2].copy()
    valid = np.asarray(column.is_valid())
    low[~valid], high[~valid] = 0, 0
    negative = high >> np.uint64(63) == 1
    high = np.where(negative, ~high + (low == 0), high)
    low = np.where(negative, ~low + np.uint64(1), low)
    half = np.uint64(32)
    parts = [high >> half, high & np.uint64(2**32 - 1), low >> half, low & np.uint64(2**32 - 1)]

    fraction = -(-scale // 4)  # digits after the point
    digits: list[np.ndarray] = []
    # The last digit of base 10,000 can stand for less than four decimal places.
    places = scale % 4 or 4
    while not digits or any(part.any() for part in parts):
        parts, remainder = _divide(parts, 10**places)
        digits.append(remainder * np.uint64(10 ** (4 - places)))
        places = 4
    ten_thousands = np.stack(digits[::-1], axis=1)
    size = len(digits)

    nonzero = ten_thousands != 0
    empty = ~nonzero.any(axis=1)
    first = np.where(empty, size, nonzero.argmax(axis=1))
    last = np.where(empty, 0, size - nonzero[:, ::-1].argmax(axis=1))
    count = np.maximum(last - first, 0)
    weight = np.where(empty, 0, size - fraction - 1 - first)

    length = 2 * (4 + count)
    fields = np.empty((len(column), 6 + size), ">i2")
    # The length is a number of 4 bytes, of which the upper two are zero.
    for index, values in enumerate([0, length, count, weight, negative * NUMERIC_NEGATIVE, scale]):
        fields[:, index] = values
    fields[:, 6:] = ten_thousands
    position = np.arange(-6, size)
    mask = (position < 0) | (position >= first[:, None]) & (position < last[:, None])
    return _split(fields[mask], 4 + length, len(column))


def _divide(parts: list[np.ndarray], divisor: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return quotients and remainders of numbers given as 32-bit parts, the highest part first.

    Leading parts that are zero in all numbers are dropped.
    """
    while len(parts) > 1 and not parts[0].any():
        parts = parts[1:]
    by = np.uint64(divisor)
    remainder = np.zeros(len(parts[0]), np.uint64)
    quotients = []
    for part in parts:
        value = remainder << np.uint64(32) | part
        quotients.append(value // by)
        remainder = value - quotients[-1] * by
    return quotients, remainder
