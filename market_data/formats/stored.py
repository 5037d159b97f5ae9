"""Parquet and Feather files: their columns, and these batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import CryptoError
from market_data.members import Member, reading

PARQUET, FEATHER = b"PAR1", b"ARROW1"
BATCH_ROWS = 65_536


def is_stored(member: Member) -> bool:
    """Return whether a member is a Parquet or a Feather file; raise CryptoError for one that is compressed again."""
    if not member.head.startswith((PARQUET, FEATHER)):
        return False
    if member.on_disk is None:
        raise CryptoError(f"{member.where} is a Parquet or Feather file inside an archive; unpack it first.")
    return True


def schema(member: Member) -> pa.Schema:
    """Return the columns."""
    with reading(member.where):
        if member.head.startswith(PARQUET):
            return pq.read_schema(member.on_disk)
        with pa.memory_map(str(member.on_disk)) as source, pa.ipc.open_file(source) as file:
            return file.schema


def read(member: Member, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns, dictionaries as plain values."""
    for batch in _batches(member, columns):
        yield pa.record_batch({name: _plain(batch.column(name)) for name in columns})


def _batches(member: Member, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if member.head.startswith(PARQUET):
        with pq.ParquetFile(member.on_disk) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=columns)
        return
    with pa.memory_map(str(member.on_disk)) as source, pa.ipc.open_file(source) as file:
        for number in range(file.num_record_batches):
            whole = file.get_batch(number)
            yield from (whole.slice(start, BATCH_ROWS) for start in range(0, whole.num_rows, BATCH_ROWS))


def _plain(values: pa.Array) -> pa.Array:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
