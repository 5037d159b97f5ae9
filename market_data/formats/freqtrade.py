"""Trades as freqtrade stores them: Feather, Parquet, JSON (a list of lists) or CSV, one market a file.

The market is in the file's name, ``BTC_USDT-trades.feather``, the exchange in that of its folder; contracts have a
third part, ``BTC_USDT_USDT``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from market_data import exchanges
from market_data.formats import stored
from market_data.formats.found import Fields, Found, NotTrades
from market_data.formats.text import Sheet
from market_data.members import Member
from market_data.writer import TRADES, WITHOUT_IDS

COLUMNS = ("timestamp", "id", "type", "side", "price", "amount", "cost")
FILE = re.compile(r"([A-Za-z0-9]+)_([A-Za-z0-9]+)(_[A-Za-z0-9]+)?-trades")
ROWS = 65_536
SCHEMA = pa.schema(
    {"timestamp": pa.int64(), "id": pa.string(), "side": pa.string(), "price": pa.float64(), "amount": pa.float64()}
)
WHAT = "freqtrade's stored trades"


def find_sheet(given: Sheet) -> Found | None:
    """Return what a CSV file of freqtrade is; None for another file."""
    if given.names[:7] != COLUMNS:
        return None
    types = {name: SCHEMA.field(name).type for name in SCHEMA.names}
    return _found(given.member, bool(given.first and given.first[1]), lambda: given.read(given.names, types))


def find_stored(member: Member, schema: pa.Schema) -> Found | None:
    """Return what a Feather or Parquet file of freqtrade is; None for another file."""
    if not set(schema.names) >= set(COLUMNS):
        return None
    first = next(stored.read(member, ["id"]), None)
    has_ids = first is not None and any(first.column("id").slice(0, 1).to_pylist())
    return _found(member, has_ids, lambda: stored.read(member, SCHEMA.names))


def find_rows(member: Member, rows: list[Any]) -> Found | None:
    """Return what a JSON file of freqtrade is, given its content; None for another file."""
    if not (rows and isinstance(rows[0], list) and len(rows[0]) == len(COLUMNS) and FILE.fullmatch(member.name)):
        return None
    return _found(member, bool(rows[0][1]), lambda: _read(rows))


def _found(member: Member, has_ids: bool, read: Any) -> Found:
    name = FILE.fullmatch(member.name)
    if name and name[3]:
        raise NotTrades(f"{member.where} holds trades of a contract, not of a spot market; leave it out.")
    folder = member.path.parent.name
    return Found(
        WHAT,
        member,
        TRADES if has_ids else WITHOUT_IDS,
        folder if exchanges.is_known(folder) else None,
        f"{name[1]}/{name[2]}" if name else None,
        Fields("price", "amount", "timestamp", "id" if has_ids else None, "side"),
        read,
    )


def _read(rows: list[Any]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), ROWS):
        columns = dict(zip(COLUMNS, zip(*rows[start : start + ROWS], strict=True), strict=True))
        columns["id"] = tuple(None if one is None else str(one) for one in columns["id"])
        yield pa.record_batch([pa.array(columns[name], SCHEMA.field(name).type) for name in SCHEMA.names], SCHEMA)
