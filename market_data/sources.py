"""The trades of one market, out of however many files, in order of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from market_data import sides, sorting
from market_data.exchanges import exchange
from market_data.formats import Found, Options, tardis
from market_data.markets import Market, market
from market_data.trade_ids import TradeIds
from market_data.writer import COLUMNS, raw_trades

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class Source:
    """The trades of one market in one file, or in pages that belong together; ``sample`` are its first trades."""

    found: Found
    market: Market
    read: Callable[[], Iterator[pa.RecordBatch]]
    sample: pa.RecordBatch
    files: int = 1

    @property
    def begins(self) -> datetime:
        """The time of its first trade."""
        return self.sample.column("timestamp")[0].as_py()


Group = tuple[Market, str]


def by_market(found: Iterable[Found], options: Options, refuse: Callable[[str], None]) -> dict[Group, list[Source]]:
    """Return the sources of each market and kind of trades, in order of time; ``refuse`` is told of the others."""
    groups: dict[Group, list[Source]] = defaultdict(list)
    pages: dict[Group, list[Found]] = defaultdict(list)
    for one in found:
        try:
            for place, read in _markets(one, options):
                if one.is_page:
                    pages[place, one.kind].append(one)
                elif source := _source(one, place, read, options):
                    groups[place, one.kind].append(source)
        except CryptoError as error:
            refuse(str(error))
    for (place, kind), several in pages.items():
        try:
            if source := _source(several[0], place, partial(_merged, several), options):
                groups[place, kind].append(replace(source, files=len(several)))
        except CryptoError as error:
            refuse(str(error))
    for sources in groups.values():
        sources.sort(key=lambda source: (source.begins, source.found.member.where))
    return dict(groups)


def passes(sources: Iterable[Source], rule: sides.TickRule | None) -> Iterator[Iterator[pa.RecordBatch]]:
    """Yield streams of trades, each in order of time.

    Files that follow one another are one stream, so that a day may be divided among them. One that begins before the
    end of the last, such as a day's file after that of its month, begins a new stream. Each stream must be read to its
    end before the next is asked for.
    """
    waiting = list(sources)
    while waiting:
        yield _stream(waiting, rule)


def _stream(waiting: list[Source], rule: sides.TickRule | None) -> Iterator[pa.RecordBatch]:
    latest = waiting[0].begins
    while waiting and waiting[0].begins >= latest:
        source = waiting.pop(0)
        where = source.found.member.where
        for batch in source.read():
            if batch.num_rows:
                yield with_sides(batch, rule, where)
                latest = max(latest, pc.max(batch.column("timestamp")).as_py())


def with_sides(batch: pa.RecordBatch, rule: sides.TickRule | None, where: str) -> pa.RecordBatch:
    """Return a batch in which each trade has a side: the source's own, or by the rule."""
    side = batch.column("trade_type")
    full = rule.fill(side, batch.column("price")) if rule else sides.require(side, where)
    return batch.set_column(batch.schema.get_field_index("trade_type"), "trade_type", full)


def _markets(found: Found, options: Options) -> Iterator[tuple[Market, Callable[[], Iterator[pa.RecordBatch]]]]:
    """Yield the markets of a file, each with what reads its trades."""
    exchange_name, market_name = options.exchange or found.exchange, options.market or found.market
    columns = [
        column
        for column, known in (("exchange", options.exchange), ("market", options.market))
        if getattr(found.fields, column) and not known
    ]
    if not columns:
        yield _named(found, exchange_name, market_name, options), partial(_read, found)
        return
    for values in _distinct(found, columns):
        names = {"exchange": exchange_name, "market": market_name} | dict(zip(columns, values, strict=True))
        place = _named(found, names["exchange"], names["market"], options)
        yield place, partial(_read, found, columns, values)


def _named(found: Found, exchange_name: str | None, market_name: str | None, options: Options) -> Market:
    where, what = found.member.where, found.what
    if not exchange_name:
        raise CryptoError(f"{where} ({what}) does not say its exchange; add --exchange, such as --exchange Kraken.")
    if not market_name:
        raise CryptoError(f"{where} ({what}) does not say its market; add --market, such as --market BTC/USD.")
    try:
        place = exchange(exchange_name, is_tardis=found.what == tardis.WHAT)
        return replace(market(place, market_name), per=options.per)
    except CryptoError as error:
        raise CryptoError(f"{where}: {error}") from error


def _distinct(found: Found, columns: list[str]) -> list[tuple]:
    """Return the exchanges and markets that a file holds, in the order in which they come."""
    values: dict[tuple, None] = {}
    for batch in found.batches():
        table = pa.Table.from_batches([batch.select(columns)])
        pairs = table.group_by(columns, use_threads=False).aggregate([]).to_pylist()
        values |= dict.fromkeys(tuple(pair[column] for column in columns) for pair in pairs)
    return list(values)


def _read(found: Found, columns: Sequence[str] = (), values: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Yield the trades of a file, or those with some exchange and market, in order of time."""
    return sorting.in_order(_only(found.batches(), columns, values) if columns else found.batches())


def _only(batches: Iterable[pa.RecordBatch], columns: Sequence[str], values: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        chosen = [pc.equal(batch.column(column), value) for column, value in zip(columns, values, strict=True)]
        yield batch.filter(chosen[0] if len(chosen) == 1 else pc.and_(*chosen)).select(list(COLUMNS))


def _source(
    found: Found, place: Market, read: Callable[[], Iterator[pa.RecordBatch]], options: Options
) -> Source | None:
    """Return a market's trades in a file; None if there are none. Raise CryptoError if the first can't be taken."""
    first = next((batch for batch in read() if batch.num_rows), None)
    if first is None:
        return None
    if options.side != "tick-rule":
        sides.require(first.column("trade_type"), found.member.where)
    raw_trades(place, TradeIds(place), first)
    # A slice would keep the whole batch in memory, and there can be thousands of files.
    return Source(found, place, read, first.take(pa.array(range(min(SAMPLE_ROWS, first.num_rows)))))


def _merged(pages: list[Found]) -> Iterator[pa.RecordBatch]:
    """Yield the trades of pages, which overlap and come in any order, once each, by time and id."""
    batches = [batch for page in pages for batch in page.batches()]
    if not batches:
        return
    table = pa.Table.from_batches(batches).unify_dictionaries()
    number = pc.utf8_lpad(table["id"], 20, "0")
    order = pc.sort_indices(
        table.append_column("number", number), sort_keys=[("timestamp", "ascending"), ("number", "ascending")]
    )
    rows = table.take(order).combine_chunks()
    keys = [rows[name].cast(pa.string()).to_pylist() for name in ("id", "price", "volume", "trade_type", "timestamp")]
    seen: set[tuple] = set()
    # A trade on two pages is one; another trade with its id is left for screening to tell.
    kept = [not (key in seen or seen.add(key)) for key in zip(*keys, strict=True)]  # type: ignore[func-returns-value]
    yield from rows.filter(pa.array(kept)).combine_chunks().to_batches()
