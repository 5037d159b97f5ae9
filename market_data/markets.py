"""A spot market: what is traded for what on an exchange, and the symbol that its trades get."""

from __future__ import annotations

from dataclasses import dataclass

# Trades for these are in dollars as far as candles go; any other quote makes a symbol of its own.
DOLLARS = ("USD", "USDT", "USDC")


@dataclass(frozen=True)
class Market:
    """A market: the exchange as the reference data spells it, the exchange's own name of the market, and its assets.

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

    def __str__(self) -> str:
        return f"{self.exchange} {self.name}"
