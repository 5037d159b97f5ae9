"""Layouts of tools and services that give out trades of exchanges, from their documentation."""

from __future__ import annotations

from market_data.formats import A_CONTRACT, SIDE, Format, N, W
from market_data.normalise import BUY, BUYER_IS_MAKER, SELL, Columns
from market_data.trade_files import AGGREGATED, OWN_NUMBERS

# Where these tools keep Binance's aggregated trades.
OF_BINANCE = {"Binance": OWN_NUMBERS, "Binance.US": OWN_NUMBERS}
SELLS = BUYER_IS_MAKER
FREQTRADE = "freqtrade's stored trades"
FREQTRADE_PLACE = r"(/(?P<folder>[^/]+))?/(?P<base>[A-Za-z0-9]+)_(?P<quote>[A-Za-z0-9]+)-trades$|$"

FORMATS = (
    Format(
        "trades as CCXT gives them, of Binance's aggregated ones",
        Columns("price", "amount", "timestamp", "info.f", "side", market="symbol"),
        exchange="Binance",
        kind=AGGREGATED,
        needs=("datetime", "info.a", "info.l"),
    ),
    Format(
        "trades as CCXT gives them, of Binance's single ones",
        Columns("price", "amount", "timestamp", "id", "side", market="symbol"),
        exchange="Binance",
        needs=("datetime", "info.quoteQty"),
    ),
    Format(
        "trades as CCXT gives them",
        Columns("price", "amount", "timestamp", "id", "side", market="symbol"),
        needs=("datetime",),
        kinds=OF_BINANCE,
    ),
    Format(
        "",
        Columns("price", "amount", "timestamp"),
        needs=("id", "type", "cost"),
        place=r"/[A-Za-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9]+-trades$",
        refusal=A_CONTRACT,
    ),
    Format(
        FREQTRADE,
        Columns("price", "amount", "timestamp", "id", "side"),
        needs=("type", "cost"),
        place=FREQTRADE_PLACE,
        kinds=OF_BINANCE,
        whole=("timestamp",),
    ),
    Format(
        FREQTRADE,
        Columns("5", "6", "1", "2", "4"),
        row=f"{W},[^,]*,[^,]*,{SIDE}?,{N},{N},({N})?",
        place=FREQTRADE_PLACE,
        kinds=OF_BINANCE,
    ),
    Format(
        "Kaiko's trades",
        Columns("price", "amount", "date", "id", "sell", SELLS, exchange="exchange", market="symbol"),
    ),
    Format(
        "Kaiko's trades",
        Columns("price", "amount", "timestamp", "trade_id", "taker_side_sell", SELLS),
    ),
    Format(
        "CoinAPI's trades",
        Columns("price", "base_amount", "time_exchange", "guid", "taker_side"),
        place=r"([_-](?P<exchange>[A-Z0-9]+)_SPOT_(?P<base>[A-Z0-9]+)_(?P<quote>[A-Z0-9]+))?$",
    ),
    Format(
        "cryptofeed's trades",
        Columns("price", "amount", "timestamp", "id", "side", exchange="exchange", market="symbol"),
        needs=("receipt_timestamp",),
    ),
    Format(
        "a catalog of nautilus",
        Columns(
            *("price", "size", "ts_event", "trade_id", "aggressor_side"),
            {"0": None, "1": BUY, "2": SELL, "buyer": BUY, "seller": SELL, "buy": BUY, "sell": SELL},
            fixed_point=True,
        ),
        place=r"(trade_ticks?/|instrument_id=)(?P<market>[^/.\n]+)\.(?P<exchange>[A-Z0-9_]+)|$",
    ),
    Format(
        "trades as nautilus' loaders take them",
        Columns("price", "quantity", "timestamp", "trade_id", "buyer_maker", BUYER_IS_MAKER),
    ),
    Format(
        "LEAN's ticks",
        Columns("2", "3", "1"),
        row=rf"\d{{1,8}},{N},{N}(,.*)?",
        place=r"crypto/(?P<exchange>[a-z]+)/tick/(?P<market>[a-z0-9]+)/",
        since_midnight=True,
    ),
    Format(
        "",
        Columns("price", "size", "ts_event"),
        needs=("publisher_id", "instrument_id", "action"),
        refusal="Databento's trades of regulated exchanges such as CME, whose bitcoin are futures, not of a spot "
        "market; leave it out",
    ),
    Format(
        "",
        Columns("token_bought_amount", "token_sold_amount", "block_time"),
        refusal="swaps of tokens from Dune, each amount in another token; query price, amount, side and a number of "
        "each swap for one pair, and name these with --columns",
    ),
    Format(
        "a dump of bitcoincharts",
        Columns("2", "3", "1"),
        row=f"{N},{N},{N}",
        place=r"/\.?(?P<exchange>[a-z][a-z0-9]*?)(?P<quote>[A-Z]{3})$",
    ),
    Format("times, prices and volumes", Columns("2", "3", "1"), row=f"{N},{N},{N}"),
)
