"""The exchanges that market data comes from: a file each, and those of which no more than names is known."""

from __future__ import annotations

import re
from difflib import get_close_matches

from lakehouse.errors import CryptoError
from market_data.exchanges.binance import BINANCE
from market_data.exchanges.bitstamp import BITSTAMP
from market_data.exchanges.coinbase import COINBASE
from market_data.exchanges.exchange import COINS, MONEY, Exchange, NotSpot
from market_data.exchanges.gemini import GEMINI
from market_data.exchanges.kraken import KRAKEN

EXCHANGES = (
    *(BINANCE, KRAKEN, COINBASE, BITSTAMP, GEMINI),
    Exchange("Binance.US", "BAM Trading Services Inc.", "United States", "https://www.binance.us", ("bnus",), ""),
    Exchange(*("Bitfinex", "iFinex Inc.", "British Virgin Islands", "https://www.bitfinex.com", ("bfnx",)), prefix="t"),
    Exchange("Bitget", "Bitget", "Seychelles", "https://www.bitget.com", separator=""),
    Exchange(
        *("BitMEX", "HDR Global Trading Limited", "Seychelles", "https://www.bitmex.com", ("bmex",), "_"),
        codes={"BTC": "XBT"},
        spot="[/_]",
    ),
    Exchange(
        *("Bybit", "Bybit Fintech Ltd.", "United Arab Emirates", "https://www.bybit.com", ("bybitspot", "bbsp"), ""),
        quotes=(*MONEY, *COINS, "USDE", "MNT", "PLN"),
    ),
    Exchange("Deribit", "Deribit", "Panama", "https://www.deribit.com", ("drbt",), "_", spot="[/_]"),
    Exchange("Gate.io", "Gate Technology Inc.", "Cayman Islands", "https://www.gate.io", ("gate", "gtio"), "_"),
    Exchange("HTX", "HTX", "Seychelles", "https://www.htx.com", ("huobi", "huobiglobal", "huob")),
    # Its spot markets have numbers, of which its documentation names these.
    Exchange(
        *("Hyperliquid", "Hyperliquid Labs", "Singapore", "https://hyperliquid.xyz"),
        spot="[/@-]",
        split={"@1": ("HFUN", "USDC"), "@107": ("HYPE", "USDC")}.get,
    ),
    Exchange(
        *("KuCoin", "KuCoin", "Seychelles", "https://www.kucoin.com", ("kcon",)),
        quotes=(*MONEY, *COINS, "KCS", "TRX", "DOGE"),
    ),
    Exchange("MEXC", "MEXC Global", "Seychelles", "https://www.mexc.com", separator=""),
    Exchange("MtGox", "Mt. Gox Co., Ltd.", "Japan", "https://www.mtgox.com", separator=""),
    Exchange("OKX", "OKX", "Seychelles", "https://www.okx.com", ("okex",)),
    Exchange("Poloniex", "Poloniex", "Seychelles", "https://www.poloniex.com", ("polo",)),
    Exchange("Uniswap", "Uniswap Labs", "United States", "https://app.uniswap.org"),
    Exchange("Upbit", "Dunamu Inc.", "South Korea", "https://upbit.com", ("upbt",), quote_first=True),
)
# Where sources keep futures, swaps and options.
CONTRACTS = re.compile(
    r"futures|options|delivery|derivatives|usdm|coinm|-dm\b|perp|^(okex|okx|huobi|htx|bitget|gate)\S*[-_]swap$"
    r"|^(cryptofacilities|dydx.*|coinbase-?international)$"
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
    if _plain(text) not in BY_NAME and (close := get_close_matches(_plain(text), BY_NAME, 1, 0.85)):
        raise CryptoError(f"There is no exchange {text} that is known here; did you mean {BY_NAME[close[0]].name}?")
    return BY_NAME.get(_plain(text), Exchange(text))


def only_contracts(name: str) -> NotSpot:
    """Return the error of an exchange, or of a source's name of it, that has no spot markets."""
    return NotSpot(f"{name} gives out contracts (futures, swaps, options); import trades of spot markets only.")


def is_known(name: str) -> bool:
    """Return whether a name, such as that of a folder, is an exchange's."""
    return _plain(name) in BY_NAME
