"""Ids of trades that are unique among all markets: ``<exchange>:<market>:<id>``.

A real exchange's ids are unique only within a market. Numbers are padded with zeros, because models order ids by their
bytes. A source without ids gets the second of the trade and the place within it, in the order of the source.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.market_data.markets import Market
from lakehouse.errors import CryptoError

DIGITS = 20
PLACE_DIGITS = 6
SECOND = 1_000_000


class TradeIds:
    """Gives the trades of one market their ids, batch by batch."""

    def __init__(self, market: Market) -> None:
        self._prefix = f"{market.exchange}:{market.name}"
        # The last second so far, and how many trades it has had.
        self._second, self._count = -1, 0

    def of(self, ids: pa.Array, times: pa.Array) -> pa.Array:
        """Return the ids of a batch: from the source's own ``ids`` (numbers or text), or from ``times`` if null."""
        if pa.types.is_null(ids.type):
            return self._joined(*self._places(times))
        if pa.types.is_integer(ids.type):
            return self._joined(_padded(ids, DIGITS))
        text = ids.cast(pa.string())
        return self._joined(pc.if_else(pc.match_substring_regex(text, r"^[0-9]+$"), _padded(text, DIGITS), text))

    def _joined(self, *parts: pa.Array) -> pa.Array:
        name = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "-")
        return pc.binary_join_element_wise(self._prefix, name, ":")

    def _places(self, times: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return each trade's second and its place in it, from 0; raise CryptoError if a second comes back."""
        if not len(times):
            return pa.array([], pa.string()), pa.array([], pa.string())
        seconds = times.cast(pa.int64()).to_numpy() // SECOND
        if seconds[0] < self._second or (np.diff(seconds) < 0).any():
            raise CryptoError(
                f"{self._prefix} has no ids, so its trades are numbered by their times, which are out of order; "
                "sort them by time."
            )
        positions = np.arange(len(seconds))
        starts = np.flatnonzero(np.diff(seconds, prepend=seconds[0] - 1))
        places = positions - np.repeat(starts, np.diff(starts, append=len(seconds)))
        if seconds[0] == self._second:
            places[: starts[1] if len(starts) > 1 else len(seconds)] += self._count
        self._second, self._count = int(seconds[-1]), int(places[-1]) + 1
        return _padded(pa.array(seconds), DIGITS), _padded(pa.array(places), PLACE_DIGITS)


def _padded(values: pa.Array, digits: int) -> pa.Array:
    return pc.utf8_lpad(values.cast(pa.string()), digits, "0")
