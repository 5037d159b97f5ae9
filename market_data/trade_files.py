"""A file of trades: what it was found to be, where its trades are from, and how they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from market_data import normalise
from market_data.input_files import InputFile, reading
from market_data.normalise import Columns, Sides

# What a day's trades are. Two kinds of one day would count trades twice, so they are never mixed.
SINGLE, AGGREGATED, WITHOUT_IDS = "single trades", "aggregated trades", "trades without ids"
# Binance numbers its aggregates on their own, and some tools keep these numbers instead of the ids of the trades.
OWN_NUMBERS = "aggregated trades by numbers of their own"

# Bitcoin's first day, before which no trade can be.
FIRST, DAY = datetime(2009, 1, 3, tzinfo=UTC), timedelta(days=1)


class NotTrades(CryptoError):
    """The file is of another kind, such as candles, or of no known kind; the sentence names it."""


@dataclass(frozen=True)
class ImportOptions:
    """What the user says about the files, where these don't say it themselves.

    ``side`` is "tick-rule" or "maker"; ``columns`` maps names of raw trades to those of the user's own files, ``sides``
    the texts of their column of sides to BUY and SELL.
    """

    exchange: str | None = None
    market: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    side: str | None = None
    sides: Sides | None = None
    per: int = 1
    without_ids: bool = False
    may_replace: bool = False


@dataclass(frozen=True)
class TradeFile:
    """A file of trades. ``read`` yields the columns that ``columns`` names, as the file has them.

    ``exchange`` and ``market`` are None if the file doesn't say them. A page is one of many small answers of an API,
    which can overlap and be in any order. Rows in which ``left_out`` is true are no trades. ``note`` says what is
    remarkable, for the user.
    """

    what: str
    file: InputFile
    kind: str
    exchange: str | None
    market: str | None
    columns: Columns
    read: Callable[[], Iterator[pa.RecordBatch]]
    is_page: bool = False
    # The exchanges by whose names this source means contracts.
    contract_exchanges: tuple[str, ...] = ()
    # What trades of some exchanges are instead of ``kind``.
    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: str | None = None
    note: str = ""

    @property
    def where(self) -> str:
        """What the user calls the file."""
        return self.file.where

    def without_ids(self, note: str = "") -> TradeFile:
        """Return the file with trades that are numbered by second and place."""
        return replace(self, kind=WITHOUT_IDS, columns=replace(self.columns, id=None), note=note)

    def trades(self, counts: Counter[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the trades as `normalise.trades` returns them, in the order of the file.

        With ``counts``, which are told how many rows are left out and why, those of an impossible time are, too.
        """
        with reading(self.where):
            for raw in self.read():
                kept = raw
                if self.left_out:
                    marked = pc.utf8_lower(raw.column(self.left_out).cast(pa.string()))
                    kept = raw.filter(pc.invert(pc.is_in(marked, pa.array(["true", "1"]))))
                found = normalise.trades(kept, self.columns, self.where)
                if counts is not None:
                    counts[f"marked as {self.left_out}"] += raw.num_rows - kept.num_rows
                    times = found.column("timestamp")
                    possible = pc.and_(pc.greater_equal(times, FIRST), pc.less(times, datetime.now(UTC) + DAY))
                    if len(impossible := times.filter(pc.invert(possible))):
                        counts[f"of {impossible[0].as_py():%Y-%m-%d}, which can't be"] += len(impossible)
                        found = found.filter(possible)
                yield found
