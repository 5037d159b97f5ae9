"""Ids of trades that are unique among all markets: ``<exchange>:<market>:<id>``.

A real exchange's ids are unique only within a market. Numbers are padded with zeros, because models order ids by their
bytes. A source without ids gets the second of the trade and the place within it, in the order of the source.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from market_data.markets import Market

DIGITS = 20
PLACE_DIGITS = 6
# Microseconds.
SECOND = 1_000_000
# How far back times may step, in seconds, before a second could come again with places that were given.
REMEMBERED = 7_200


class TradeIds:
    """Gives the trades of one market their ids, batch by batch."""

    def __init__(self, market: Market) -> None:
        self._prefix = f"{market.exchange}:{market.name}"
        # How many trades each of the last seconds has had; only without ids.
        self._counts: dict[int, int] = {}

    def of(self, ids: pa.Array, times: pa.Array) -> pa.Array:
        """Return the ids of a batch: from the source's own ``ids`` (numbers or text), or from ``times`` if null."""
        if pa.types.is_null(ids.type):
            return self._joined(*self._places(times))
        if pa.types.is_integer(ids.type):
            return self._joined(_padded(ids, DIGITS))
        text = ids.cast(pa.string())
        if text.null_count or pc.any(pc.equal(text, "")).as_py():
            raise CryptoError(f"{self._prefix} has trades without an id among others; leave these out, or all ids.")
        return self._joined(pc.if_else(pc.match_substring_regex(text, r"^[0-9]+$"), _padded(text, DIGITS), text))

    def _joined(self, *parts: pa.Array) -> pa.Array:
        name = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "-")
        return pc.binary_join_element_wise(self._prefix, name, ":")

    def _places(self, times: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return the second of each trade and its place within it, from 0, in the order in which trades come."""
        seconds = times.cast(pa.int64()).to_numpy() // SECOND
        order = np.argsort(seconds, kind="stable")
        found, starts, counts = np.unique(seconds[order], return_index=True, return_counts=True)
        before = [self._counts.get(second, 0) for second in found.tolist()]
        places = np.empty(len(seconds), np.int64)
        places[order] = np.arange(len(seconds)) - np.repeat(starts - before, counts)
        self._counts |= dict(zip(found.tolist(), (counts + before).tolist(), strict=True))
        oldest = max(self._counts, default=0) - REMEMBERED
        self._counts = {second: count for second, count in self._counts.items() if second >= oldest}
        return _padded(pa.array(seconds), DIGITS), _padded(pa.array(places), PLACE_DIGITS)


def _padded(values: pa.Array, digits: int) -> pa.Array:
    return pc.utf8_lpad(values.cast(pa.string()), digits, "0")
