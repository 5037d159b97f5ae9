"""Tardis' CSV files of the type ``trades``: one exchange and, unless symbols were grouped, one market a file.

Its datasets have a file a day; without a key, those of the first day of each month.
"""

from __future__ import annotations

from datetime import date

from market_data.exchanges.exchange import Archive
from market_data.exchanges.kraken import KRAKEN
from market_data.formats import Format
from market_data.markets import Market
from market_data.normalise import Columns

FORMAT = Format(
    "Tardis' trades",
    Columns("price", "amount", "timestamp", "id", "side", exchange="exchange", market="symbol"),
    needs=("local_timestamp",),
    whole=("timestamp",),
    # By the name of the exchange alone, Tardis means its contracts here.
    contract_exchanges=("bybit", "phemex"),
)
# Where Tardis' name of an exchange is not just its name in lower case.
EXCHANGE_NAMES = {"Binance.US": "binance-us", "HTX": "huobi", "OKX": "okex", "Bybit": "bybit-spot"}


def _address(market: Market, day: date) -> str:
    exchange = EXCHANGE_NAMES.get(market.exchange, market.exchange.lower())
    symbol = market.name
    if market.exchange == KRAKEN.name:
        symbol = "-".join(KRAKEN.codes.get(asset, asset) for asset in (market.base, market.quote))
    return f"https://datasets.tardis.dev/v1/{exchange}/trades/{day:%Y/%m/%d}/{symbol}.csv.gz"


# Of recorded trades of BTCUSDT, packed as Tardis does.
ARCHIVE = Archive("Tardis", bytes_per_row=11, day=_address, only_first_days=True)
