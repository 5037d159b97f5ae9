"""Markets: what is traded for what on an exchange, from any spelling of it, and the symbol that its trades get."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse.errors import CryptoError
from market_data import exchanges

# Trades for these are in dollars as far as candles go; any other quote makes a symbol of its own.
DOLLARS = ("USD", "USDT", "USDC")
# Quotes by which a name without a separator is divided. Each exchange has its own, because together they are ambiguous:
# BNBUSD and PAXGUSD are no markets for BUSD and GUSD. The longest that fits counts.
COINS = ("BTC", "XBT", "ETH")
MONEY = (*DOLLARS, *("EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "SGD", "KRW", "TRY", "BRL", "DAI"))
QUOTES = {
    "Binance": (
        *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USDD", "USD1", "PAX", "DAI", "UST", "VAI"),
        *("EUR", "EURI", "GBP", "AUD", "JPY", "TRY", "BRL", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "CZK"),
        *("ARS", "MXN", "COP", "IDRT", "BIDR", "BVND", "BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "DOT", "SOL"),
    ),
    "Kraken": (*MONEY, *COINS, "DOT", "PYUSD", "RLUSD", "AED"),
    "Gemini": (*MONEY, *COINS, "BCH", "LTC", "FIL", "DOGE"),
    "Bybit": (*MONEY, *COINS, "USDE", "MNT", "PLN"),
}
# Kraken's and others' own codes of assets.
COMMON = {"XBT": "BTC", "XDG": "DOGE"}
KRAKEN = {"BTC": "XBT", "DOGE": "XDG"}
# Kraken's REST puts X before old coins and Z before money, both four letters long: XXBTZUSD.
KRAKEN_PAIR = re.compile(r"X([A-Z]{3})[XZ]([A-Z]{3})")
CONTRACT = re.compile(
    r":"  # BTC/USDT:USDT, as CCXT writes a swap
    r"|PERP|SWAP|QUARTER"
    r"|[-_]\d{6,8}\b"  # BTCUSDT_240329
    r"|^(PI|PF|FI|FF|IN|RR)_"  # Kraken's futures
    r"|-[CP]$"  # options
    r"|_UMCBL|_DMCBL|_CMCBL"
)


@dataclass(frozen=True)
class Market:
    """A spot market: the exchange as the reference spells it, the exchange's own name of it, and its two assets.

    ``per`` units of the base are counted as one, for coins whose prices are too fine: 1000PEPE.
    """

    exchange: str
    name: str
    base: str
    quote: str
    per: int = 1

    @property
    def symbol(self) -> str:
        """The symbol of its trades: the base for a quote in dollars, else base and quote, such as ``BTC/EUR``."""
        base = self.base if self.per == 1 else f"{self.per}{self.base}"
        return base if self.quote in DOLLARS else f"{base}/{self.quote}"

    @property
    def folder(self) -> str:
        """Its folder below ``trades/``."""
        return f"{self.exchange}/{self.name}"


def market(exchange: str, name: str) -> Market:
    """Return the market that an exchange, or a source in its own spelling, calls ``name``.

    BTCUSDT, BTC/USDT, BTC-USDT, BTC_USDT and btcusdt are one market, so its trades have the same ids wherever they come
    from. Raise CryptoError for a contract, and for a name that can't be divided into two assets.
    """
    place = exchanges.exchange(exchange)
    # Bitfinex puts a t before the names of its markets.
    text = name.strip().removeprefix("t" if place == "Bitfinex" else "").upper()
    if CONTRACT.search(text):
        raise CryptoError(f"{place} {name} is a contract; import trades of spot markets only, such as BTC/USDT.")
    base, quote = (COMMON.get(asset, asset) for asset in _assets(place, text))
    return Market(place, _own_name(place, base, quote), base, quote)


def quotes(exchange: str) -> tuple[str, ...]:
    """Return the quotes of an exchange's markets that are looked for in names without a separator."""
    return QUOTES.get(exchange, (*MONEY, *COINS))


def _assets(place: str, text: str) -> tuple[str, str]:
    asset = r"[A-Z0-9.]+"
    if found := re.fullmatch(rf"({asset})[/_-]({asset})", text):
        return found[1], found[2]
    if place == "Kraken" and (found := KRAKEN_PAIR.fullmatch(text)):
        return found[1], found[2]
    for quote in sorted(quotes(place), key=len, reverse=True):
        base = text.removesuffix(quote)
        if base != text and re.fullmatch(asset, base):
            return base, quote
    raise CryptoError(f"{place}'s market {text!r} can't be divided into two assets; write it with a slash: BTC/USDT.")


def _own_name(place: str, base: str, quote: str) -> str:
    """Return a market's name in the exchange's own spelling; where that is not known, with a dash."""
    if place in ("Binance", "Binance.US", "Bybit", "Bitstamp", "Gemini", "MtGox"):
        return f"{base}{quote}"
    if place == "Kraken":
        return f"{KRAKEN.get(base, base)}{KRAKEN.get(quote, quote)}"
    return f"{base}-{quote}"
