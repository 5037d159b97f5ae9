"""The taker's side of a trade: BUY or SELL, as sources write it, or estimated by the tick rule."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError

SIDES = pa.array(["BUY", "SELL"])
BUY, SELL = 0, 1
BUYS, SELLS = pa.array(["buy", "b"]), pa.array(["sell", "s"])
# What a source's column of sides holds: the side of the taker or of the maker, or whether the maker bought.
TAKER, MAKER, BUYER_IS_MAKER = "taker", "maker", "buyer is maker"


def taken(values: pa.Array, meaning: str) -> pa.Array:
    """Return the taker's side of each trade, a dictionary array of SIDES; null where the source gives none."""
    if pa.types.is_boolean(values.type):
        codes = values.cast(pa.int8()).cast(pa.int32())
    else:
        text = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
        is_sell = pc.is_in(text, SELLS)
        codes = pc.if_else(pc.or_(pc.is_in(text, BUYS), is_sell), is_sell.cast(pa.int8()).cast(pa.int32()), None)
        codes = pc.subtract(1, codes) if meaning == MAKER else codes
    return pa.DictionaryArray.from_arrays(codes.cast(pa.int32()), SIDES)


class TickRule:
    """Estimates sides: a trade above the price before it was bought, one below was sold, an equal one as the last."""

    def __init__(self) -> None:
        self._price, self._side = np.nan, BUY
        self.estimated = 0

    def fill(self, sides: pa.Array, prices: pa.Array) -> pa.Array:
        """Return sides with an estimate where they are null; batches must come in order of time."""
        price = prices.to_numpy(zero_copy_only=False)
        moves = np.sign(np.diff(price, prepend=self._price))
        # Where the last move was, so that trades at an equal price take its side.
        last = np.maximum.accumulate(np.where(np.nan_to_num(moves) != 0, np.arange(len(moves)), -1))
        side = np.where(last >= 0, np.where(moves[last] > 0, BUY, SELL), self._side)
        if len(price):
            self._price, self._side = price[-1], int(side[-1])
        self.estimated += sides.null_count
        codes = pc.coalesce(sides.indices, pa.array(side.astype(np.int32)))
        return pa.DictionaryArray.from_arrays(codes, SIDES)


def require(sides: pa.Array, where: str) -> pa.Array:
    """Return the sides; raise CryptoError if one is null."""
    if sides.null_count:
        raise CryptoError(
            f"{where} has trades without a side (who took the price: buyer or seller); `--side tick-rule` estimates it "
            "from the price before, for these trades only."
        )
    return sides
