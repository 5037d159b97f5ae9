"""`crypto import`: find out what files are, show it, and write their trades into the landing zone.

A file's way: `detection` says what it is and names its columns, `normalise` makes trades of them, `ordering` puts these
in order of time, `day_files` writes them. Here the trades of a market are put together, out of however many files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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
from market_data.day_files import DayFile, SharedIds
from market_data.detection import detect
from market_data.exchanges.exchange import NotSpot
from market_data.formats import A_CONTRACT, CONTRACT_NAME
from market_data.input_files import find_files
from market_data.markets import Market
from market_data.normalise import SIGN, TickRule, TradeIds, with_column, with_sides
from market_data.summary import count
from market_data.trade_files import WITHOUT_IDS, ImportOptions, TradeFile

# Of more markets, as in Kraken's whole archive, only the names are shown.
SHOWN_MARKETS, SHOWN_ROWS = 10, 5
SHOWN = ("trade_id", "symbol", "price", "volume", "trade_type", "timestamp")

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
    for line in (*summary.summarize(days), *given.remarks(days), *(f"Not imported: {why}" for why in given.refused)):
        say(line)
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
    """Files of trades and what the user said about them; raise CryptoError for an exchange that can't be.

    ``groups`` are the trades of each market and kind, in order of time; ``refused`` are the files that can't be taken,
    in sentences; ``estimated`` is how many sides are estimates. ``left_out`` counts rows by why they are, ``odd``
    trades of which the run rejects or doubts a value.
    """

    def __init__(self, paths: Sequence[Path], options: ImportOptions) -> None:
        self.options = options
        if options.exchange:
            exchanges.find(options.exchange)
        self.refused: list[str] = []
        self.notes: list[str] = []
        self.estimated = 0
        self.left_out: Counter[str] = Counter()
        self.contracts: Counter[str] = Counter()
        self.odd: Counter[str] = Counter()
        self.groups: dict[tuple[Market, str], list[MarketTrades]] = defaultdict(list)
        pages: dict[tuple[Market, str], list[tuple[TradeFile, Read]]] = defaultdict(list)
        for file in find_files(paths, self.refused.append):
            try:
                found = detect(file, options)
                for market, read in self._markets(found):
                    if found.is_page:
                        pages[market, _kind(found, market)].append((found, read))
                    else:
                        self._add(found, market, partial(_in_order, read))
            except CryptoError as error:
                self.refused.append(str(error))
        for (market, _), files in pages.items():
            try:
                self._add(files[0][0], market, partial(self._join_pages, files), len(files))
            except CryptoError as error:
                self.refused.append(str(error))
        for group in self.groups.values():
            group.sort(key=lambda trades: (trades.begins, trades.file.where))
        if not self.groups and not self.refused:
            raise CryptoError(f"There is no file of trades in {', '.join(map(str, paths))}.")

    def _add(self, file: TradeFile, market: Market, read: Read, files: int = 1) -> None:
        """Add a market's trades, if there are any; raise CryptoError if the first of them can't be taken."""
        self.left_out.clear()
        first = next((batch for batch in read() if batch.num_rows), None)
        if first is None:
            if left_out := +self.left_out:
                raise CryptoError(
                    f"{file.where} has no trade that can be taken: {_reasons(left_out)}; if its times have a unit of "
                    "their own, write them as 2024-01-05 12:00:00."
                )
            return
        if file.columns.sides is not SIGN:
            negative = pc.sum(pc.less(first.column("volume"), 0)).as_py() or 0
            if negative > first.num_rows * day_files.SHARED:
                raise CryptoError(
                    f"{file.where} has negative amounts; say with --sides sign that these are sales, or correct them."
                )
        if self.options.side != "tick-rule":
            with_sides(first, None, file.where)
        normalise.raw_trades(market, TradeIds(market), first)
        if file.note:
            self.notes.append(f"{file.where} is numbered by second and place: {file.note}.")
        # A slice would keep the whole batch in memory, and there can be thousands of files.
        sample = first.take(pa.array(range(min(SHOWN_ROWS, first.num_rows))))
        self.groups[market, _kind(file, market)].append(MarketTrades(file, market, read, sample, files))

    def describe(self) -> Iterator[str]:
        """Yield, for each market, what its files were taken for and its first trades as they are written."""
        for number, ((market, kind), group) in enumerate(self.groups.items()):
            first = group[0].file
            others = sum(trades.files for trades in group) - 1
            more = f" and {count(others, 'more file')}" if others else ""
            raw = next(first.read(), None)
            unit = normalise.time_unit(raw.column(first.columns.timestamp)) if raw else "unknown"
            unit = f"in milliseconds of {first.columns.day}" if first.columns.day else unit
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
        """Write the trades, market by market, and yield each day; a market that can't be written joins ``refused``.

        Trades whose ids turn out to be shared before anything of them is written are numbered by second and place.
        """
        self.left_out.clear()
        for (market, kind), group in self.groups.items():
            before, is_new = (Counter(self.left_out), Counter(self.odd)), True
            try:
                try:
                    for day in self._write_group(settings, market, kind, group):
                        is_new = False
                        yield day
                except SharedIds as error:
                    if not is_new:
                        raise
                    self.left_out, self.odd = before
                    yield from self._write_group(settings, market, WITHOUT_IDS, group)
                    self.notes.append(f"{str(error).split(';', maxsplit=1)[0]}: numbered by second and place instead.")
            except CryptoError as error:
                self.refused.append(str(error))

    def _write_group(
        self, settings: Settings, market: Market, kind: str, group: list[MarketTrades]
    ) -> Iterator[DayFile]:
        rule, waiting = self._rule(), list(group)
        while waiting:
            stream = self._stream(waiting, rule, with_ids=kind != WITHOUT_IDS)
            yield from day_files.write(settings, market, stream, kind=kind, may_replace=self.options.may_replace)
        self.estimated += rule.estimated if rule else 0

    def remarks(self, days: list[DayFile]) -> Iterator[str]:
        """Yield what became of the rows that were read, and what to look at."""
        left_out = +(self.left_out + self.contracts)
        written = sum(day.rows for day in days)
        if days:
            rest = f", left out {_reasons(left_out)}" if left_out else ""
            yield f"Read {count(written + left_out.total(), 'row')}: {count(written, 'trade')} taken{rest}."
        yield from self.notes
        if self.estimated:
            trades = count(self.estimated, "trade")
            yield f"The sides of {trades} are estimates by the tick rule, and so are volumes by side."
        found = +Counter({f"with {why}: the run rejects such": number for why, number in self.odd.items()})
        found["equal to another of the same id: the run counts one of them"] = sum(day.repeated for day in days)
        found["with the id of a different one: the run keeps one of each id"] = sum(day.conflicting for day in days)
        for what, number in (+found).items():
            yield f"{count(number, 'trade')} {what}."
        missing = sum(day.missing for day in days)
        # Where an exchange numbers all its markets together, a market has gaps everywhere.
        if 0 < missing < written:
            yield f"{count(missing, 'id')} between the first and the last of a day missing: so may trades be."

    def _rule(self) -> TickRule | None:
        return TickRule() if self.options.side == "tick-rule" else None

    def _markets(self, file: TradeFile) -> Iterator[tuple[Market, Read]]:
        """Yield the markets of a file, each with what reads its trades; rows of contracts are counted and left out."""
        given = {"exchange": self.options.exchange, "market": self.options.market}
        names = {"exchange": given["exchange"] or file.exchange, "market": given["market"] or file.market}
        columns = [name for name in names if getattr(file.columns, name)]
        if not columns:
            yield _market(file, names, self.options), partial(file.trades, self.left_out)
            return
        pairs: Counter[tuple[str, ...]] = Counter()
        for batch in file.trades():
            table = pa.Table.from_batches([batch.select(columns)])
            for row in table.group_by(columns, use_threads=False).aggregate([([], "count_all")]).to_pylist():
                pairs[tuple(row[column] for column in columns)] += row["count_all"]
        found: dict[tuple[str, ...], Market] = {}
        refusals: list[NotSpot] = []
        for pair, rows in pairs.items():
            values = dict(zip(columns, pair, strict=True))
            chosen = {name: given[name] or values.get(name) or names[name] for name in names}
            try:
                found[pair] = _market(file, chosen, self.options, values.get("market"))
            except NotSpot as error:
                refusals.append(error)
                self.contracts[f"of contracts ({pair[-1]})"] += rows
        if refusals and not found:
            raise refusals[0]
        if given["market"] and len(found) > 1:
            there = ", ".join(pair[-1] for pair in found)
            raise CryptoError(f"{file.where} has trades of several markets ({there}); leave --market out.")
        for pair, market in found.items():
            yield market, partial(_rows_of, file, dict(zip(columns, pair, strict=True)), self.left_out)

    def _join_pages(self, pages: list[tuple[TradeFile, Read]]) -> Iterator[pa.RecordBatch]:
        """Yield the trades of pages, which overlap; raise CryptoError for several pages without ids."""
        file = pages[0][0]
        if len(pages) > 1 and file.kind == WITHOUT_IDS:
            raise CryptoError(
                f"{file.where} and others have no ids, so trades that are in two of them can't be told; put them "
                "together into one file, each trade once."
            )
        batches = [batch for _, read in pages for batch in read()]
        if len(pages) == 1 or not batches:
            return ordering.in_order(batches)
        joined = ordering.join_pages(batches, by_id=False)
        self.left_out["repeated in another answer"] += sum(batch.num_rows for batch in batches) - joined.num_rows
        return iter(joined.to_batches())

    def _stream(
        self, waiting: list[MarketTrades], rule: TickRule | None, *, with_ids: bool
    ) -> Iterator[pa.RecordBatch]:
        """Yield trades in order of time, from the first of the files that wait on, taking those that it reads.

        Files that follow one another are one stream, so that a day may be divided among them. One that begins before
        the end of the last, such as a day's file after that of its month, waits for the next stream.
        """
        latest = waiting[0].begins
        while waiting and waiting[0].begins >= latest:
            trades = waiting.pop(0)
            for batch in trades.read():
                if batch.num_rows:
                    rows = batch if with_ids else with_column(batch, "id", pa.nulls(batch.num_rows))
                    self.odd += normalise.count_odd(rows)
                    yield with_sides(rows, rule, trades.file.where)
                    latest = max(latest, pc.max(batch.column("timestamp")).as_py())


def _kind(file: TradeFile, market: Market) -> str:
    return file.kind if file.kind == WITHOUT_IDS else file.kinds.get(market.exchange, file.kind)


def _in_order(read: Read) -> Iterator[pa.RecordBatch]:
    return ordering.in_order(read())


def _reasons(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {why}" for why, number in counts.items())


def _market(
    file: TradeFile, names: Mapping[str, str | None], options: ImportOptions, said: str | None = None
) -> Market:
    """Return the market that names mean; raise NotSpot for a contract, by these or by what the file's rows have."""
    if CONTRACT_NAME.fullmatch(said or names["market"] or ""):
        raise NotSpot(f"{file.where} ({said or names['market']}) holds {A_CONTRACT}.")
    for name, example in (("exchange", "Kraken"), ("market", "BTC/USD")):
        if not names[name]:
            raise CryptoError(
                f"{file.where} ({file.what}) does not say its {name}; add --{name}, such as --{name} {example}."
            )
    exchange, market = str(names["exchange"]), str(names["market"])
    try:
        if exchange.lower() in file.contract_exchanges:
            raise exchanges.only_contracts(exchange)
        place = exchanges.find(exchange)
        place.refuse_contract(said or market)
        found = replace(place.market(market), per=options.per)
        if said and said != market and place.find_market(said) not in (None, replace(found, per=1)):
            raise CryptoError(f"its rows are trades of {said}, not of {market}; leave --market out.")
        return found
    except CryptoError as error:
        raise type(error)(f"{file.where}: {error}") from error


def _rows_of(file: TradeFile, values: dict[str, str], counts: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Yield the trades of a file with some exchange and market."""
    for batch in file.trades(counts):
        mask = pa.array([True] * batch.num_rows)
        for name, value in values.items():
            mask = pc.and_(mask, pc.equal(batch.column(name), value))
        yield batch.filter(mask).drop_columns(list(values))


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
