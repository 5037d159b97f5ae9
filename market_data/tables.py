"""Tables in files: rows under titles, of CSV, Parquet and Feather files and of lists in JSON, batch by batch."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from lakehouse.errors import CryptoError
from market_data.input_files import InputFile, reading

NUMBER = re.compile(r"[+-]?\d+([.,]\d*)*([eE][+-]?\d+)?")
BLOCK_BYTES = 4 << 20
SEPARATORS = (",", ";", "\t", "|")
PARQUET, FEATHER = b"PAR1", b"ARROW1"
BATCH_ROWS = 65_536
# A number with a decimal comma, and one of which the comma may as well stand between thousands.
DECIMAL_COMMA, EITHER = re.compile(r"[+-]?\d+,\d+"), re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")

Types = Mapping[str, pa.DataType]


@dataclass(frozen=True)
class Table:
    """Rows of values under ``titles`` as they stand; rows without titles have the numbers of their columns, from 1.

    ``first`` is the first row as text. ``place`` is where it stands: its path without endings, and what else names its
    market, such as the key above a list. ``read`` yields the columns in its argument, text in these types. An answer is
    one of many small pieces that can overlap.
    """

    file: InputFile
    titles: tuple[str, ...]
    first: tuple[str, ...]
    read: Callable[[Types], Iterator[pa.RecordBatch]]
    has_titles: bool = True
    place: str = ""
    is_answer: bool = False

    def title(self, name: str) -> str | None:
        """Return the title that is a name, without regard to case and punctuation; None if there is none."""
        if name in self.titles:
            return name
        return next((title for title in self.titles if plain(title) == plain(name)), None)

    def value(self, name: str) -> str:
        """Return the first value under a name, "" if there is none."""
        title = self.title(name)
        return self.first[self.titles.index(title)] if title and self.first else ""


def plain(name: str) -> str:
    """Return a title in lower case, without punctuation; of ``trade_id/...``, a title in two languages, the first."""
    return re.sub(r"[^a-z0-9.]", "", name.lower().split("/")[0])


def numbered(count: int) -> tuple[str, ...]:
    """Return the titles of rows that have none."""
    return tuple(str(number + 1) for number in range(count))


def tables_in(file: InputFile) -> list[Table]:
    """Return the tables of a file: one, or the lists of a JSON file; none if it is nothing of the kind."""
    place = f"{file.path.parent}/{file.name}"
    if file.head.startswith((PARQUET, FEATHER)):
        return [_columnar(file, place)]
    if file.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")):
        return [_of_rows(file, place, *one) for one in _lists("", _load_json(file))]
    table = _csv(file, place)
    return [table] if table else []


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv(file: InputFile, place: str) -> Table | None:
    try:
        text = file.head.decode("utf-8-sig", errors="strict" if len(file.head) < 65_536 else "ignore")
    except UnicodeDecodeError:
        # As OKX writes its titles.
        text = file.head.decode("gb18030", errors="replace")
    # The last of many lines may be cut.
    lines = text.splitlines()[:1000]
    # CryptoDataDownload writes its address above the header.
    skipped = 1 if len(lines) > 1 and re.match(r"https?://", lines[0]) else 0
    separator = max(SEPARATORS, key=lines[skipped].count) if lines else ","
    if not lines or "\0" in text or separator not in lines[skipped]:
        return None
    titles, *values = (tuple(row) for row in csv.reader(lines[skipped:], delimiter=separator) if row)
    has_titles = not any(NUMBER.fullmatch(value) for value in titles)
    if not has_titles:
        titles, values = numbered(len(titles)), [titles, *values]

    def read(types: Types) -> Iterator[pa.RecordBatch]:
        places = [titles.index(name) for name, kind in types.items() if pa.types.is_floating(kind)]
        numbers = [[row[place] for row in values[:-1] or values if place < len(row)] for place in places]
        points = {_decimal_point(file, column) for column in numbers if separator != ","}
        with (
            file.opens() as stream,
            arrow_csv.open_csv(
                stream,
                arrow_csv.ReadOptions(column_names=titles, skip_rows=skipped + has_titles, block_size=BLOCK_BYTES),
                arrow_csv.ParseOptions(delimiter=separator),
                arrow_csv.ConvertOptions(
                    column_types=types, include_columns=list(types), decimal_point="," if "," in points else "."
                ),
            ) as batches,
        ):
            yield from batches

    return Table(file, titles, values[0] if values else (), read, has_titles, place)


def _decimal_point(file: InputFile, numbers: list[str]) -> str:
    """Return the sign before the decimals of a column, as a spreadsheet has it; raise CryptoError if none is sure."""
    commas = [number.strip() for number in numbers if "," in number]
    if commas and (all(map(EITHER.fullmatch, commas)) or not all(map(DECIMAL_COMMA.fullmatch, commas))):
        wrong = next((number for number in commas if not DECIMAL_COMMA.fullmatch(number)), commas[0])
        raise CryptoError(
            f"{file.where} has the number {wrong}, whose comma or point may stand between thousands or before "
            "decimals; write numbers without signs between thousands, and with a point before decimals."
        )
    return "," if commas else "."


# --- Parquet and Feather ---------------------------------------------------------------------------------------------


def _columnar(file: InputFile, place: str) -> Table:
    """Return a Parquet or a Feather file; raise CryptoError for one that is compressed again."""
    if file.on_disk is None:
        raise CryptoError(f"{file.where} is a Parquet or Feather file inside an archive; unpack it first.")
    with reading(file.where):
        if file.head.startswith(PARQUET):
            schema = pq.read_schema(file.on_disk)
        else:
            with pa.memory_map(str(file.on_disk)) as source, pa.ipc.open_file(source) as feather:
                schema = feather.schema
        metadata = schema.metadata or {}
        if b"instrument_id" in metadata:
            place = f"{place}\ninstrument_id={metadata[b'instrument_id'].decode()}"
        first = next((batch for batch in _batches(file, schema.names) if batch.num_rows), None)
    row = tuple(map(_first_text, first.columns)) if first else ()

    def read(types: Types) -> Iterator[pa.RecordBatch]:
        for batch in _batches(file, list(types)):
            yield pa.record_batch({name: _plain_values(batch.column(name)) for name in types})

    return Table(file, tuple(schema.names), row, read, place=place)


def _first_text(values: pa.Array) -> str:
    """Return the first value as text, "" where it can't be such."""
    try:
        return str(_plain_values(values[:1]).cast(pa.string())[0].as_py() or "")
    except pa.ArrowException:
        return ""


def _plain_values(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _batches(file: InputFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if file.head.startswith(PARQUET):
        with pq.ParquetFile(file.on_disk) as parquet:
            yield from parquet.iter_batches(BATCH_ROWS, columns=columns)
        return
    with pa.memory_map(str(file.on_disk)) as source, pa.ipc.open_file(source) as feather:
        for number in range(feather.num_record_batches):
            whole = feather.get_batch(number)
            yield from (whole.slice(start, BATCH_ROWS) for start in range(0, whole.num_rows, BATCH_ROWS))


# --- JSON ------------------------------------------------------------------------------------------------------------


def _load_json(file: InputFile) -> Any:
    """Return the content, numbers with decimals as text; several answers in one file, a line each, are one list."""
    with reading(file.where), file.opens() as stream:
        text = stream.read().decode("utf-8-sig")
        try:
            return json.loads(text, parse_float=str)
        except json.JSONDecodeError as error:
            if "Extra data" not in str(error):
                raise
        lines = [json.loads(line, parse_float=str) for line in text.splitlines() if line.strip()]
        return [row for line in lines for row in (line if isinstance(line, list) else [line])]


def _lists(place: str, content: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of rows in an answer, each with the keys, and the texts beside them, under which it stands."""
    if isinstance(content, list) and content and isinstance(content[0], dict | list):
        yield place, content
    elif isinstance(content, dict):
        beside = "".join(f"\n{key}={value}" for key, value in content.items() if isinstance(value, str))
        for key, inner in content.items():
            yield from _lists(f"{place}{beside}\n{key}", inner)


def _of_rows(file: InputFile, place: str, beside: str, rows: list[Any]) -> Table:
    first = rows[0]
    needed = tuple(_keys(first)) if isinstance(first, dict) else numbered(len(first))
    # A key that the first row has not is one that rows may lack.
    later = (key for row in rows if isinstance(first, dict) and isinstance(row, dict) for key in row)
    titles = tuple(dict.fromkeys((*needed, *later)))

    def read(types: Types) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(rows), BATCH_ROWS):
            yield text_columns(rows[start : start + BATCH_ROWS], list(types), file.where, start, needed)

    values = (cell(first, title) if title in needed else None for title in titles)
    row = tuple("" if value is None else str(value) for value in values)
    return Table(file, titles, row, read, isinstance(first, dict), place + beside, is_answer=True)


def _keys(row: dict[str, Any]) -> Iterator[str]:
    for key, value in row.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in value)


def cell(row: Any, name: str) -> Any:
    """Return a value of a row of JSON: by its place in a list, from 1, its key, or ``key.key`` in a row within it."""
    if isinstance(row, list):
        return row[int(name) - 1]
    if name in row or "." not in name:
        return row[name]
    outer, inner = name.split(".", 1)
    return row[outer][inner]


def text_columns(
    rows: list[Any], names: list[str], where: str, start: int = 0, needed: Container[str] | None = None
) -> pa.RecordBatch:
    """Return rows of JSON as columns of text, null where a row has null or lacks what is not ``needed``.

    Raise CryptoError for a row of another kind; ``start`` is how many rows came before.
    """
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    for number, row in enumerate(rows, start + 1):
        for name, values in columns.items():
            try:
                value = cell(row, name)
            except (LookupError, TypeError, ValueError):
                if isinstance(row, dict) and needed is not None and name not in needed:
                    values.append(None)
                    continue
                raise CryptoError(
                    f"{where}: row {number} has no {name} ({shorten(str(row), 60)}); leave it out."
                ) from None
            values.append(None if value is None else str(value))
    return pa.record_batch({name: pa.array(values, pa.string()) for name, values in columns.items()})
