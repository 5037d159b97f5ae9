"""The dumps of bitcoincharts: ``bitstampUSD.csv``, bitcoin only, with times in seconds, prices and volumes."""

from __future__ import annotations

import re

from market_data.exchanges import kraken
from market_data.tables import CsvFile
from market_data.trade_files import TradeFile

FILE = re.compile(r"\.?([a-z][a-z0-9]*?)([A-Z]{3})")


def find_csv(csv: CsvFile) -> TradeFile | None:
    """Return what a file of three columns is, whose market may be in its name; None for another file."""
    if name := FILE.fullmatch(csv.file.name):
        return kraken.find_history(csv, "a dump of bitcoincharts", name[1], f"BTC/{name[2]}")
    return kraken.find_history(csv, "times, prices and volumes", None, None)
