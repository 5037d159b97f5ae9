"""Tardis' datasets, a file a market and day; without a key, those of the first day of each month."""

from __future__ import annotations

from datetime import date

from market_data.exchanges.exchange import Archive
from market_data.exchanges.kraken import KRAKEN
from market_data.markets import Market

# Where Tardis' name of an exchange is not just its name in lower case.
EXCHANGE_NAMES = {"Binance.US": "binance-us", "HTX": "huobi", "OKX": "okex", "Bybit": "bybit-spot"}


def _address(market: Market, day: date) -> str:
    exchange = EXCHANGE_NAMES.get(market.exchange, market.exchange.lower())
    symbol = market.name
    if market.exchange == KRAKEN.name:
        symbol = "-".join(KRAKEN.codes.get(asset, asset) for asset in (market.base, market.quote))
    return f"https://datasets.tardis.dev/v1/{exchange}/trades/{day:%Y/%m/%d}/{symbol}.csv.gz"


# Of recorded trades of BTCUSDT, packed as Tardis does.
# It says 400 to a market or a day that it does not have.
ARCHIVE = Archive("Tardis", bytes_per_row=11, day=_address, only_first_days=True, missing=(400, 404))
