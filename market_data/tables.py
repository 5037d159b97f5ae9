"""Tables in files: how a CSV file begins, and the columns of CSV, Parquet and Feather files, batch by batch."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from lakehouse.errors import CryptoError
from market_data.input_files import InputFile, reading

NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?|")
WHOLE = re.compile(r"\d+")
TRUTH = re.compile(r"true|false", re.IGNORECASE)
BLOCK_BYTES = 4 << 20
SEPARATORS = (",", ";", "\t", "|")
PARQUET, FEATHER = b"PAR1", b"ARROW1"
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class CsvFile:
    """The beginning of a CSV file: its first row with values, and the names of its columns.

    Names are in lower case without punctuation, so that ``isBuyerMaker`` and ``is_buyer_maker`` are one; ``titles`` are
    as they stand. Without a header, both are empty.
    """

    file: InputFile
    separator: str
    skipped: int
    titles: tuple[str, ...]
    first: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, made comparable."""
        return tuple(plain(title) for title in self.titles)

    @property
    def shape(self) -> str:
        """One letter a column of the first row: w(hole number), n(umber), t(ruth value), x for other text."""
        return "".join(_letter(value) for value in self.first)

    @property
    def decimal_point(self) -> str:
        """A comma where the first row has one in a number, as spreadsheets write them in much of the world."""
        has_commas = any(re.fullmatch(r"\d+,\d+", value) for value in self.first)
        return "," if has_commas and self.separator != "," else "."

    def read(self, names: tuple[str, ...], types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Yield the columns in ``types``, for a file whose columns are ``names``."""
        with (
            self.file.opens() as stream,
            arrow_csv.open_csv(
                stream,
                arrow_csv.ReadOptions(column_names=names, skip_rows=self.skipped, block_size=BLOCK_BYTES),
                arrow_csv.ParseOptions(delimiter=self.separator),
                arrow_csv.ConvertOptions(
                    column_types=types, include_columns=list(types), decimal_point=self.decimal_point
                ),
            ) as batches,
        ):
            yield from batches


def read_csv_head(file: InputFile) -> CsvFile | None:
    """Return how a CSV file begins; None if it is no such file."""
    try:
        text = file.head.decode("utf-8-sig", errors="strict" if len(file.head) < 65_536 else "ignore")
    except UnicodeDecodeError:
        return None
    lines = text.splitlines()[:4]
    # CryptoDataDownload writes its address above the header.
    skipped = 1 if lines and re.match(r"https?://", lines[0]) else 0
    if len(lines) <= skipped or "\0" in text:
        return None
    separator = max(SEPARATORS, key=lines[skipped].count)
    rows = [tuple(row) for row in csv.reader(lines[skipped:], delimiter=separator)]
    if len(rows[0]) < 2:
        return None
    has_header = not any(value and NUMBER.fullmatch(value) for value in rows[0])
    if not has_header:
        return CsvFile(file, separator, skipped, (), rows[0])
    return CsvFile(file, separator, skipped + 1, rows[0], rows[1] if len(rows) > 1 else ())


def plain(name: str) -> str:
    """Return a column's name in lower case, without punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _letter(value: str) -> str:
    if WHOLE.fullmatch(value):
        return "w"
    if NUMBER.fullmatch(value):
        return "n"
    return "t" if TRUTH.fullmatch(value) else "x"


def is_columnar(file: InputFile) -> bool:
    """Return whether a file is a Parquet or a Feather file; raise CryptoError for one that is compressed again."""
    if not file.head.startswith((PARQUET, FEATHER)):
        return False
    if file.on_disk is None:
        raise CryptoError(f"{file.where} is a Parquet or Feather file inside an archive; unpack it first.")
    return True


def columnar_schema(file: InputFile) -> pa.Schema:
    """Return the columns."""
    with reading(file.where):
        if file.head.startswith(PARQUET):
            return pq.read_schema(file.on_disk)
        with pa.memory_map(str(file.on_disk)) as source, pa.ipc.open_file(source) as feather:
            return feather.schema


def read_columnar(file: InputFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns, dictionaries as plain values."""
    for batch in _batches(file, columns):
        yield pa.record_batch({name: _plain(batch.column(name)) for name in columns})


def _batches(file: InputFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if file.head.startswith(PARQUET):
        with pq.ParquetFile(file.on_disk) as parquet:
            yield from parquet.iter_batches(BATCH_ROWS, columns=columns)
        return
    with pa.memory_map(str(file.on_disk)) as source, pa.ipc.open_file(source) as feather:
        for number in range(feather.num_record_batches):
            whole = feather.get_batch(number)
            yield from (whole.slice(start, BATCH_ROWS) for start in range(0, whole.num_rows, BATCH_ROWS))


def _plain(values: pa.Array) -> pa.Array:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
