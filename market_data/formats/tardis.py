"""Tardis' CSV files of the type ``trades``: one exchange and, unless symbols were grouped, one market a file."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from market_data.formats.found import Fields, Found
from market_data.formats.text import Sheet
from market_data.writer import TRADES, WITHOUT_IDS

NAMES = ("exchange", "symbol", "timestamp", "localtimestamp", "id", "side", "price", "amount")
WHAT = "Tardis' trades"
FIELDS = Fields("price", "amount", "timestamp", "id", "side", exchange="exchange", market="symbol")
TEXT = pa.dictionary(pa.int32(), pa.string())
TYPES = {
    "price": pa.float64(),
    "amount": pa.float64(),
    "timestamp": pa.int64(),
    "id": pa.string(),
    "side": TEXT,
    "exchange": TEXT,
    "symbol": TEXT,
}


def find(given: Sheet) -> Found | None:
    """Return what a file of Tardis is; None for another file."""
    if given.names != NAMES:
        return None
    # Some exchanges gave no ids when they were recorded: Kraken, for one.
    has_ids = bool(given.first and given.first[NAMES.index("id")])
    kind, fields = (TRADES, FIELDS) if has_ids else (WITHOUT_IDS, replace(FIELDS, id=None))
    return Found(WHAT, given.member, kind, None, None, fields, lambda: given.read(NAMES, TYPES))
