"""The exchanges that market data comes from: a file each, and those of which no more than names is known."""

from __future__ import annotations

import re

from lakehouse.errors import CryptoError
from market_data.exchanges.binance import BINANCE
from market_data.exchanges.bitstamp import BITSTAMP
from market_data.exchanges.coinbase import COINBASE
from market_data.exchanges.exchange import COINS, MONEY, Exchange
from market_data.exchanges.gemini import GEMINI
from market_data.exchanges.kraken import KRAKEN

EXCHANGES = (
    *(BINANCE, KRAKEN, COINBASE, BITSTAMP, GEMINI),
    Exchange("Binance.US", "BAM Trading Services Inc.", "United States", "https://www.binance.us", separator=""),
    Exchange("Bitfinex", "iFinex Inc.", "British Virgin Islands", "https://www.bitfinex.com", prefix="t"),
    Exchange(
        *("Bybit", "Bybit Fintech Ltd.", "United Arab Emirates", "https://www.bybit.com", ("bybitspot",)),
        separator="",
        quotes=(*MONEY, *COINS, "USDE", "MNT", "PLN"),
    ),
    Exchange("HTX", "HTX", "Seychelles", "https://www.htx.com", ("huobi", "huobiglobal")),
    Exchange("KuCoin", "KuCoin", "Seychelles", "https://www.kucoin.com"),
    Exchange("MtGox", "Mt. Gox Co., Ltd.", "Japan", "https://www.mtgox.com", separator=""),
    Exchange("OKX", "OKX", "Seychelles", "https://www.okx.com", ("okex",)),
    Exchange("Poloniex", "Poloniex", "Seychelles", "https://www.poloniex.com"),
)
# Where sources keep futures, swaps and options.
CONTRACTS = re.compile(
    r"futures|swap|options|delivery|derivatives|usdm|coinm|-dm\b|perp"
    r"|^(bitmex|cryptofacilities|deribit|dydx.*|hyperliquid|coinbase-?international)$"
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


BY_NAME = {_plain(name): one for one in EXCHANGES for name in (one.name, *one.other_names)}


def find(name: str) -> Exchange:
    """Return the exchange that a source calls ``name``; an unknown one keeps the spelling it came with.

    Raise CryptoError for one of contracts, and for a name that can't be that of a folder.
    """
    text = name.strip()
    if CONTRACTS.search(text.lower()):
        raise only_contracts(text)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise CryptoError(f"{name!r} is no name of an exchange; write it with letters and digits, such as Kraken.")
    return BY_NAME.get(_plain(text), Exchange(text))


def only_contracts(name: str) -> CryptoError:
    """Return the error of an exchange, or of a source's name of it, that has no spot markets."""
    return CryptoError(f"{name} gives out contracts (futures, swaps, options); import trades of spot markets only.")


def is_known(name: str) -> bool:
    """Return whether a name, such as that of a folder, is an exchange's."""
    return _plain(name) in BY_NAME
