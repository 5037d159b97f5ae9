"""What raw trades can't hold exactly: screening rounds to decimal(18,8), so such markets are refused at the edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from lakehouse.errors import CryptoError
from market_data.markets import Market

PER_UNIT = 1e8
MOST_VOLUME = 1e10
# A double's own error after a multiplication, relative.
ROUNDING = 2.0**-50


def check(market: Market, price: pa.Array, volume: pa.Array) -> None:
    """Raise CryptoError if a price is finer than 1e-8, or a volume is 1e10 or more."""
    prices, volumes = _floats(price), _floats(volume)
    scaled = prices * PER_UNIT
    finer = prices[np.abs(scaled - np.rint(scaled)) > np.abs(scaled) * ROUNDING]
    if len(finer):
        raise _refusal(market, f"a price of {finer[0]:.12g}, finer than the 8 decimals that candles keep")
    large = volumes[volumes >= MOST_VOLUME]
    if len(large):
        raise _refusal(
            market, f"a volume of {large[0]:.12g}, more than the 10 digits before the point that candles keep"
        )


def in_larger_units(market: Market, price: pa.Array, volume: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return prices and volumes for ``market.per`` units of the base, the prices to 8 decimals again."""
    return pa.array(np.round(_floats(price) * market.per, 8)), pa.array(_floats(volume) / market.per)


def _floats(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def _refusal(market: Market, what: str) -> CryptoError:
    larger = replace(market, per=market.per * 1000)
    return CryptoError(
        f"{market.exchange} {market.name} has {what}; count it in larger units with --per {larger.per}, "
        f"which makes the symbol {larger.symbol}."
    )
