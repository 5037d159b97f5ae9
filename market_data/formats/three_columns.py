"""Time, price and volume without a header, ids or sides: Kraken's history, and the dumps of bitcoincharts.

The market is in the file's name: ``XBTUSD.csv`` is Kraken's, ``bitstampUSD.csv`` one of bitcoincharts'. Times are in
seconds.
"""

from __future__ import annotations

import re

import pyarrow as pa

from market_data.formats.found import Fields, Found
from market_data.formats.text import Sheet
from market_data.writer import WITHOUT_IDS

NAMES = ("time", "price", "volume")
FIELDS = Fields("price", "volume", "time")
TYPES = dict.fromkeys(NAMES, pa.float64())
KRAKEN = re.compile(r"[A-Z0-9.]{5,}")
BITCOINCHARTS = re.compile(r"\.?([a-z][a-z0-9]*?)([A-Z]{3})")


def find(given: Sheet) -> Found | None:
    """Return what a file of three columns is; None for another file."""
    if given.titles or not re.fullmatch(r"[wn]{3}", given.shape):
        return None
    what, exchange, market = "times, prices and volumes", None, None
    if KRAKEN.fullmatch(given.member.name):
        what, exchange, market = "Kraken's history of trades", "Kraken", given.member.name
    elif name := BITCOINCHARTS.fullmatch(given.member.name):
        what, exchange, market = "a dump of bitcoincharts", name[1], f"BTC/{name[2]}"
    return Found(what, given.member, WITHOUT_IDS, exchange, market, FIELDS, lambda: given.read(NAMES, TYPES))
