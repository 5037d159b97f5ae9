"""`crypto import`: find out what files are, show it, and write their trades into the landing zone.

A file's way: `detection` says what it is and names its columns, `normalise` makes trades of them, `ordering` puts these
in order of time, `day_files` writes them. Here the trades of a market are put together, out of however many files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import day_files, exchanges, normalise, ordering, summary
from market_data.day_files import DayFile
from market_data.detection import detect
from market_data.input_files import find_files
from market_data.markets import Market
from market_data.normalise import TickRule, TradeIds, with_sides
from market_data.summary import count
from market_data.trade_files import WITHOUT_IDS, ImportOptions, TradeFile

# Of more markets, as in Kraken's whole archive, only the names are shown.
SHOWN_MARKETS, SHOWN_ROWS = 10, 5
SHOWN = ("trade_id", "symbol", "price", "volume", "trade_type", "timestamp")
TRADE = ("id", "price", "volume", "trade_type", "timestamp")

Read = Callable[[], Iterator[pa.RecordBatch]]


def run(
    settings: Settings, paths: Sequence[Path], options: ImportOptions, say: Callable[[str], None], *, dry_run: bool
) -> int:
    """Import files, and say what they are, what was written and what is left to do; return the exit code.

    It is 1 if a file was refused; the other files are imported all the same.
    """
    given = Import(paths, options)
    for line in given.describe():
        say(line)
    days = [] if dry_run else list(_with_progress(given.write(settings)))
    for line in (*summary.summarize(days), *(f"Not imported: {why}" for why in given.refused)):
        say(line)
    if given.estimated:
        trades = count(given.estimated, "trade")
        say(f"The sides of {trades} are estimates by the tick rule, and so are volumes by side.")
    if days:
        for line in summary.next_steps(settings, days):
            say(line)
        say("The next `crypto run` lands the trades.")
    elif dry_run and given.groups:
        say("Nothing is written; leave --dry-run out to import.")
    return 1 if given.refused else 0


@dataclass(frozen=True)
class MarketTrades:
    """The trades of one market in one file, or in pages that belong together; ``sample`` are its first trades."""

    file: TradeFile
    market: Market
    read: Read
    sample: pa.RecordBatch
    files: int = 1

    @property
    def begins(self) -> datetime:
        """The time of its first trade."""
        return self.sample.column("timestamp")[0].as_py()


class Import:
    """Files of trades and what the user said about them.

    ``groups`` are the trades of each market and kind, in order of time; ``refused`` are the files that can't be taken,
    in sentences; ``estimated`` is how many sides are estimates.
    """

    def __init__(self, paths: Sequence[Path], options: ImportOptions) -> None:
        self.options = options
        self.refused: list[str] = []
        self.estimated = 0
        self.groups: dict[tuple[Market, str], list[MarketTrades]] = defaultdict(list)
        pages: dict[tuple[Market, str], list[TradeFile]] = defaultdict(list)
        for file in find_files(paths, self.refused.append):
            try:
                found = detect(file, options)
                for market, read in _markets(found, options):
                    if found.is_page:
                        pages[market, found.kind].append(found)
                    else:
                        self._add(found, market, read)
            except CryptoError as error:
                self.refused.append(str(error))
        for (market, _), files in pages.items():
            try:
                self._add(files[0], market, partial(_join_pages, files), len(files))
            except CryptoError as error:
                self.refused.append(str(error))
        for group in self.groups.values():
            group.sort(key=lambda trades: (trades.begins, trades.file.where))
        if not self.groups and not self.refused:
            raise CryptoError(f"There is no file of trades in {', '.join(map(str, paths))}.")

    def _add(self, file: TradeFile, market: Market, read: Read, files: int = 1) -> None:
        """Add a market's trades, if there are any; raise CryptoError if the first of them can't be taken."""
        first = next((batch for batch in read() if batch.num_rows), None)
        if first is None:
            return
        if self.options.side != "tick-rule":
            with_sides(first, None, file.where)
        normalise.raw_trades(market, TradeIds(market), first)
        # A slice would keep the whole batch in memory, and there can be thousands of files.
        sample = first.take(pa.array(range(min(SHOWN_ROWS, first.num_rows))))
        self.groups[market, file.kind].append(MarketTrades(file, market, read, sample, files))

    def describe(self) -> Iterator[str]:
        """Yield, for each market, what its files were taken for and its first trades as they are written."""
        for number, ((market, kind), group) in enumerate(self.groups.items()):
            first = group[0].file
            others = sum(trades.files for trades in group) - 1
            more = f" and {count(others, 'more file')}" if others else ""
            raw = next(first.read(), None)
            unit = normalise.time_unit(raw.column(first.columns.timestamp)) if raw else "unknown"
            yield f"{first.where}{more}: {first.what}, {kind}, times {unit}; market {market}, symbol {market.symbol}"
            if number < SHOWN_MARKETS:
                yield from self._rows(group[0])

    def _rows(self, trades: MarketTrades) -> Iterator[str]:
        batch = with_sides(trades.sample, self._rule(), trades.file.where)
        rows = normalise.raw_trades(trades.market, TradeIds(trades.market), batch).select(list(SHOWN)).to_pylist()
        cells = [SHOWN, *(tuple(_cell(row[name]) for name in SHOWN) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            yield "  " + "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()

    def write(self, settings: Settings) -> Iterator[DayFile]:
        """Write the trades, market by market, and yield each day; a market that can't be written joins ``refused``."""
        for (market, kind), group in self.groups.items():
            rule = self._rule()
            waiting = list(group)
            try:
                while waiting:
                    stream = _stream(waiting, rule)
                    may_replace = self.options.may_replace
                    yield from day_files.write(settings, market, stream, kind=kind, may_replace=may_replace)
            except CryptoError as error:
                self.refused.append(str(error))
            self.estimated += rule.estimated if rule else 0

    def _rule(self) -> TickRule | None:
        return TickRule() if self.options.side == "tick-rule" else None


def _markets(file: TradeFile, options: ImportOptions) -> Iterator[tuple[Market, Read]]:
    """Yield the markets of a file, each with what reads its trades in order of time."""
    names = {"exchange": options.exchange or file.exchange, "market": options.market or file.market}
    given = {"exchange": options.exchange, "market": options.market}
    columns = [name for name in names if getattr(file.columns, name) and not given[name]]
    if not columns:
        yield _market(file, names, options), lambda: ordering.in_order(file.trades())
        return
    pairs: dict[tuple[str, ...], None] = {}
    for batch in file.trades():
        table = pa.Table.from_batches([batch.select(columns)])
        rows = table.group_by(columns, use_threads=False).aggregate([]).to_pylist()
        pairs |= dict.fromkeys(tuple(row[column] for column in columns) for row in rows)
    for pair in pairs:
        values = dict(zip(columns, pair, strict=True))
        yield _market(file, {**names, **values}, options), partial(_read_one, file, values)


def _market(file: TradeFile, names: Mapping[str, str | None], options: ImportOptions) -> Market:
    for name, example in (("exchange", "Kraken"), ("market", "BTC/USD")):
        if not names[name]:
            raise CryptoError(
                f"{file.where} ({file.what}) does not say its {name}; add --{name}, such as --{name} {example}."
            )
    exchange, market = str(names["exchange"]), str(names["market"])
    try:
        if exchange.lower() in file.contract_exchanges:
            raise exchanges.only_contracts(exchange)
        return replace(exchanges.find(exchange).market(market), per=options.per)
    except CryptoError as error:
        raise CryptoError(f"{file.where}: {error}") from error


def _read_one(file: TradeFile, values: dict[str, str]) -> Iterator[pa.RecordBatch]:
    """Yield the trades of a file with some exchange and market, in order of time."""

    def rows_of_market() -> Iterator[pa.RecordBatch]:
        for batch in file.trades():
            mask = pa.array([True] * batch.num_rows)
            for name, value in values.items():
                mask = pc.and_(mask, pc.equal(batch.column(name), value))
            yield batch.filter(mask).select(list(TRADE))

    return ordering.in_order(rows_of_market())


def _join_pages(pages: list[TradeFile]) -> Iterator[pa.RecordBatch]:
    """Yield the trades of pages, which overlap; raise CryptoError for several pages without ids."""
    if len(pages) > 1 and pages[0].kind == WITHOUT_IDS:
        raise CryptoError(
            f"{pages[0].where} and others have no ids, so trades that are in two of them can't be told; put them "
            "together into one file, each trade once."
        )
    batches = [batch for page in pages for batch in page.trades()]
    return iter(ordering.join_pages(batches, by_id=False).to_batches() if batches else ())


def _stream(waiting: list[MarketTrades], rule: TickRule | None) -> Iterator[pa.RecordBatch]:
    """Yield trades in order of time, from the first of the files that wait on, taking those that it reads.

    Files that follow one another are one stream, so that a day may be divided among them. One that begins before the
    end of the last, such as a day's file after that of its month, waits for the next stream.
    """
    latest = waiting[0].begins
    while waiting and waiting[0].begins >= latest:
        trades = waiting.pop(0)
        for batch in trades.read():
            if batch.num_rows:
                yield with_sides(batch, rule, trades.file.where)
                latest = max(latest, pc.max(batch.column("timestamp")).as_py())


def _with_progress(days: Iterable[DayFile]) -> Iterator[DayFile]:
    """Yield days as they are written; a terminal shows how far the work is."""
    from rich.console import Console

    rows = 0
    with Console(stderr=True).status("Reading ...") as status:
        for day in days:
            rows += day.rows
            status.update(f"{day.market} {day.day}: {rows:,} trades so far")
            yield day


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.8f}".rstrip("0").rstrip(".")
    return str(value).replace("+00:00", "") if value is not None else ""
