"""Trades as freqtrade stores them: Feather, Parquet, JSON (a list of lists) or CSV, one market a file.

The market is in the file's name, ``BTC_USDT-trades.feather``, the exchange in that of its folder; contracts have a
third part, ``BTC_USDT_USDT``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from market_data import exchanges
from market_data.input_files import InputFile
from market_data.normalise import Columns
from market_data.tables import CsvFile, read_columnar
from market_data.trade_files import SINGLE, WITHOUT_IDS, NotTrades, TradeFile

NAMES = ("timestamp", "id", "type", "side", "price", "amount", "cost")
FILE = re.compile(r"([A-Za-z0-9]+)_([A-Za-z0-9]+)(_[A-Za-z0-9]+)?-trades")
ROWS = 65_536
TYPES = {
    **{"timestamp": pa.int64(), "id": pa.string(), "side": pa.string()},
    **{"price": pa.float64(), "amount": pa.float64()},
}


def find_csv(csv: CsvFile) -> TradeFile | None:
    """Return what a CSV file of freqtrade is; None for another file."""
    if csv.names[:7] != NAMES:
        return None
    return _trade_file(csv.file, bool(csv.first and csv.first[1]), lambda: csv.read(csv.names, TYPES))


def find_columnar(file: InputFile, schema: pa.Schema) -> TradeFile | None:
    """Return what a Feather or Parquet file of freqtrade is; None for another file."""
    if not set(schema.names) >= set(NAMES):
        return None
    first = next(read_columnar(file, ["id"]), None)
    has_ids = first is not None and any(first.column("id").slice(0, 1).to_pylist())
    return _trade_file(file, has_ids, lambda: read_columnar(file, list(TYPES)))


def find_rows(file: InputFile, rows: list[Any]) -> TradeFile | None:
    """Return what a JSON file of freqtrade is, given its content; None for another file."""
    if not (isinstance(rows[0], list) and len(rows[0]) == len(NAMES) and FILE.fullmatch(file.name)):
        return None
    return _trade_file(file, bool(rows[0][1]), lambda: _read_rows(rows))


def _trade_file(file: InputFile, has_ids: bool, read: Callable[[], Iterator[pa.RecordBatch]]) -> TradeFile:
    name, folder = FILE.fullmatch(file.name), file.path.parent.name
    if name and name[3]:
        raise NotTrades(f"{file.where} holds trades of a contract, not of a spot market; leave it out.")
    return TradeFile(
        "freqtrade's stored trades",
        file,
        SINGLE if has_ids else WITHOUT_IDS,
        folder if exchanges.is_known(folder) else None,
        f"{name[1]}/{name[2]}" if name else None,
        Columns("price", "amount", "timestamp", "id" if has_ids else None, "side"),
        read,
    )


def _read_rows(rows: list[Any]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), ROWS):
        cells = dict(zip(NAMES, zip(*rows[start : start + ROWS], strict=True), strict=True))
        texts = {name: [None if one is None else str(one) for one in cells[name]] for name in TYPES}
        yield pa.record_batch({name: pa.array(texts[name], pa.string()).cast(kind) for name, kind in TYPES.items()})
