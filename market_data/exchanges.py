"""The exchanges that market data comes from: how sources call them, and what the reference data says of them."""

from __future__ import annotations

import re

from lakehouse.errors import CryptoError

# Name, company, country and website, as `crypto exchanges add` enters them.
KNOWN = {
    "Binance": ("Binance Holdings Ltd.", "Malta", "https://www.binance.com"),
    "Binance.US": ("BAM Trading Services Inc.", "United States", "https://www.binance.us"),
    "Bitfinex": ("iFinex Inc.", "British Virgin Islands", "https://www.bitfinex.com"),
    "Bitstamp": ("Bitstamp Ltd.", "Luxembourg", "https://www.bitstamp.net"),
    "Bybit": ("Bybit Fintech Ltd.", "United Arab Emirates", "https://www.bybit.com"),
    "Coinbase": ("Coinbase Global, Inc.", "United States", "https://www.coinbase.com"),
    "Gemini": ("Gemini Trust Company, LLC", "United States", "https://www.gemini.com"),
    "HTX": ("HTX", "Seychelles", "https://www.htx.com"),
    "Kraken": ("Payward, Inc.", "United States", "https://www.kraken.com"),
    "KuCoin": ("KuCoin", "Seychelles", "https://www.kucoin.com"),
    "MtGox": ("Mt. Gox Co., Ltd.", "Japan", "https://www.mtgox.com"),
    "OKX": ("OKX", "Seychelles", "https://www.okx.com"),
    "Poloniex": ("Poloniex", "Seychelles", "https://www.poloniex.com"),
}
# Other names of them in sources, in lower case and without punctuation.
OTHER_NAMES = {
    "bybitspot": "Bybit",
    "coinbaseadvanced": "Coinbase",
    "coinbaseexchange": "Coinbase",
    "coinbasepro": "Coinbase",
    "gdax": "Coinbase",
    "huobi": "HTX",
    "huobiglobal": "HTX",
    "okex": "OKX",
}
# Where sources keep futures, swaps and options.
CONTRACTS = re.compile(
    r"futures|swap|options|delivery|derivatives|usdm|coinm|-dm\b|perp"
    r"|^(bitmex|cryptofacilities|deribit|dydx.*|hyperliquid|coinbase-?international)$"
)
# What Tardis calls the contracts of an exchange, and others its spot market.
CONTRACTS_OF_TARDIS = ("bybit", "phemex")


def exchange(name: str, *, is_tardis: bool = False) -> str:
    """Return an exchange's name as the reference data spells it; an unknown one keeps the spelling it came with.

    Raise CryptoError for one of contracts, and for a name that can't be that of a folder.
    """
    text = name.strip()
    if CONTRACTS.search(text.lower()) or (is_tardis and text.lower() in CONTRACTS_OF_TARDIS):
        raise CryptoError(f"{text} gives out contracts (futures, swaps, options); import trades of spot markets only.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise CryptoError(f"{name!r} is no name of an exchange; write it with letters and digits, such as Kraken.")
    return _spelled().get(_plain(text), text)


def is_known(name: str) -> bool:
    """Return whether a name, such as that of a folder, is an exchange's."""
    return _plain(name) in _spelled()


def _spelled() -> dict[str, str]:
    return {_plain(one): one for one in KNOWN} | OTHER_NAMES


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
