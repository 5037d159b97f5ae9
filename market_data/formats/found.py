"""What a file was found to be: its layout, where its trades are from, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from lakehouse.errors import CryptoError
from market_data import sides, times
from market_data.members import Member, reading


class NotTrades(CryptoError):
    """The file is of another kind, such as candles, or of no known kind; the sentence names it."""


@dataclass(frozen=True)
class Fields:
    """Which columns of a source hold what; ``side_is`` says whose side it gives."""

    price: str
    volume: str
    timestamp: str
    id: str | None = None
    side: str | None = None
    side_is: str = sides.TAKER
    exchange: str | None = None
    market: str | None = None

    @property
    def names(self) -> list[str]:
        """The columns to read."""
        wanted = (self.id, self.price, self.volume, self.side, self.timestamp, self.exchange, self.market)
        return list(dict.fromkeys(name for name in wanted if name))


@dataclass(frozen=True)
class Options:
    """What the user says about the files, where these don't say it themselves."""

    exchange: str | None = None
    market: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    side: str | None = None
    per: int = 1
    may_replace: bool = False


@dataclass(frozen=True)
class Found:
    """A file of trades. ``read`` yields its columns under the names of ``fields``.

    ``exchange`` and ``market`` are None if the file doesn't say them. A page is one of many small answers of an API,
    which can overlap and be in any order.
    """

    what: str
    member: Member
    kind: str
    exchange: str | None
    market: str | None
    fields: Fields
    read: Callable[[], Iterator[pa.RecordBatch]]
    is_page: bool = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the trades with the writer's columns, the side null where there is none."""
        with reading(self.member.where):
            for raw in self.read():
                yield self._mapped(raw)

    def _mapped(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        fields = self.fields
        moments = times.to_microseconds(raw.column(fields.timestamp))
        if moments.null_count:
            raise CryptoError(f"{self.member.where} has trades without a time; correct it.")
        columns = {
            "id": raw.column(fields.id) if fields.id else pa.nulls(raw.num_rows),
            "price": _number(raw.column(fields.price)),
            "volume": _number(raw.column(fields.volume)),
            "trade_type": sides.taken(
                raw.column(fields.side) if fields.side else pa.nulls(raw.num_rows, pa.string()), fields.side_is
            ),
            "timestamp": moments,
        }
        for name in ("exchange", "market"):
            if column := getattr(fields, name):
                columns[name] = raw.column(column).cast(pa.string())
        return pa.record_batch(columns)


def _number(values: pa.Array) -> pa.Array:
    # From decimals by their text: pyarrow's own cast can be wrong in the last digit.
    return (values.cast(pa.string()) if pa.types.is_decimal(values.type) else values).cast(pa.float64())
