"""A file of trades: what it was found to be, where its trades are from, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from lakehouse.errors import CryptoError
from market_data import normalise
from market_data.input_files import InputFile, reading
from market_data.normalise import Columns

# What a day's trades are. Two kinds of one day would count trades twice, so they are never mixed.
SINGLE, AGGREGATED, WITHOUT_IDS = "single trades", "aggregated trades", "trades without ids"


class NotTrades(CryptoError):
    """The file is of another kind, such as candles, or of no known kind; the sentence names it."""


@dataclass(frozen=True)
class ImportOptions:
    """What the user says about the files, where these don't say it themselves.

    ``side`` is "tick-rule" or "maker"; ``columns`` maps names of raw trades to those of the user's own files.
    """

    exchange: str | None = None
    market: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    side: str | None = None
    per: int = 1
    may_replace: bool = False


@dataclass(frozen=True)
class TradeFile:
    """A file of trades. ``read`` yields the columns that ``columns`` names, as the file has them.

    ``exchange`` and ``market`` are None if the file doesn't say them. A page is one of many small answers of an API,
    which can overlap and be in any order.
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

    @property
    def where(self) -> str:
        """What the user calls the file."""
        return self.file.where

    def trades(self) -> Iterator[pa.RecordBatch]:
        """Yield the trades as `normalise.trades` returns them, in the order of the file."""
        with reading(self.where):
            for raw in self.read():
                yield normalise.trades(raw, self.columns, self.where)
