"""Tardis' CSV files of the type ``trades``: one exchange and, unless symbols were grouped, one market a file.

Its datasets have a file a day; without a key, those of the first day of each month.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow as pa

from market_data.exchanges.exchange import Archive
from market_data.exchanges.kraken import KRAKEN
from market_data.markets import Market
from market_data.normalise import Columns
from market_data.tables import CsvFile
from market_data.trade_files import SINGLE, WITHOUT_IDS, TradeFile

NAMES = ("exchange", "symbol", "timestamp", "localtimestamp", "id", "side", "price", "amount")
COLUMNS = Columns("price", "amount", "timestamp", "id", "side", exchange="exchange", market="symbol")
TEXT = pa.dictionary(pa.int32(), pa.string())
TYPES = {
    **{"price": pa.float64(), "amount": pa.float64(), "timestamp": pa.int64(), "id": pa.string()},
    **{"side": TEXT, "exchange": TEXT, "symbol": TEXT},
}
# By the name of the exchange alone, Tardis means its contracts here.
CONTRACTS = ("bybit", "phemex")
# Where Tardis' name of an exchange is not just its name in lower case.
EXCHANGE_NAMES = {"Binance.US": "binance-us", "HTX": "huobi", "OKX": "okex", "Bybit": "bybit-spot"}


def find_csv(csv: CsvFile) -> TradeFile | None:
    """Return what a file of Tardis is; None for another file."""
    if csv.names != NAMES:
        return None
    # Some exchanges gave no ids when they were recorded: Kraken, for one.
    has_ids = bool(csv.first and csv.first[NAMES.index("id")])
    kind, columns = (SINGLE, COLUMNS) if has_ids else (WITHOUT_IDS, replace(COLUMNS, id=None))
    return TradeFile(
        "Tardis' trades",
        csv.file,
        kind,
        None,
        None,
        columns,
        lambda: csv.read(NAMES, TYPES),
        contract_exchanges=CONTRACTS,
    )


def _address(market: Market, day: date) -> str:
    exchange = EXCHANGE_NAMES.get(market.exchange, market.exchange.lower())
    symbol = market.name
    if market.exchange == KRAKEN.name:
        symbol = "-".join(KRAKEN.codes.get(asset, asset) for asset in (market.base, market.quote))
    return f"https://datasets.tardis.dev/v1/{exchange}/trades/{day:%Y/%m/%d}/{symbol}.csv.gz"


# Of recorded trades of BTCUSDT, packed as Tardis does.
ARCHIVE = Archive("Tardis", bytes_per_row=11, day=_address, only_first_days=True)
