"""`crypto import`: find out what files are, show it, and write their trades into the landing zone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import advice, formats, sides, sources, times, writer
from market_data.formats import Found, Options
from market_data.markets import Market
from market_data.members import members
from market_data.sources import Source
from market_data.trade_ids import TradeIds
from market_data.writer import DayFile

# Of more markets, as in Kraken's whole archive, only the names are shown.
SHOWN_MARKETS = 10
SHOWN = ("trade_id", "symbol", "price", "volume", "trade_type", "timestamp")


def run(
    settings: Settings, paths: Sequence[Path], options: Options, say: Callable[[str], None], *, dry_run: bool
) -> int:
    """Import files, and say what they are, what was written and what is left to do; return the exit code.

    It is 1 if a file was refused; the other files are imported all the same.
    """
    given = Import(paths, options)
    for line in given.describe():
        say(line)
    days = [] if dry_run else list(with_progress(given.write(settings)))
    for line in (*summary(days), *(f"Not imported: {why}" for why in given.refused)):
        say(line)
    if given.estimated:
        say(
            f"The sides of {_count(given.estimated, 'trade')} are estimates by the tick rule, and so are volumes by "
            "side."
        )
    if days:
        for line in advice.advice(settings, days):
            say(line)
        say("The next `crypto run` lands the trades.")
    elif dry_run and given.groups:
        say("Nothing is written; leave --dry-run out to import.")
    return 1 if given.refused else 0


class Import:
    """Files of trades and what the user said about them.

    ``refused`` are the files that can't be taken, in sentences; ``estimated`` is how many sides are estimates.
    """

    def __init__(self, paths: Sequence[Path], options: Options) -> None:
        self.options = options
        self.refused: list[str] = []
        self.estimated = 0
        found = list(self._found(paths))
        self.groups = sources.by_market(found, options, self.refused.append)
        if not self.groups and not self.refused:
            raise CryptoError(f"There is no file of trades in {', '.join(map(str, paths))}.")

    def _found(self, paths: Sequence[Path]) -> Iterator[Found]:
        for member in members(paths, self.refused.append):
            try:
                yield formats.find(member, self.options)
            except CryptoError as error:
                self.refused.append(str(error))

    def describe(self) -> Iterator[str]:
        """Yield, for each market, what its files were taken for and its first trades as they are written."""
        for number, ((market, kind), found) in enumerate(self.groups.items()):
            first = found[0].found
            others = sum(source.files for source in found) - 1
            more = f" and {_count(others, 'more file')}" if others else ""
            raw = next(first.read(), None)
            unit = times.unit(raw.column(first.fields.timestamp)) if raw else "unknown"
            yield (
                f"{first.member.where}{more}: {first.what}, {kind}, times {unit}; market {market.exchange} "
                f"{market.name}, symbol {market.symbol}"
            )
            if number < SHOWN_MARKETS:
                yield from self._rows(market, found[0])

    def write(self, settings: Settings) -> Iterator[DayFile]:
        """Write the trades, market by market, and yield each day; a market that can't be written joins ``refused``."""
        for (market, kind), found in self.groups.items():
            rule = self._rule()
            try:
                for stream in sources.passes(found, rule):
                    yield from writer.write(settings, market, stream, kind=kind, may_replace=self.options.may_replace)
            except CryptoError as error:
                self.refused.append(str(error))
            self.estimated += rule.estimated if rule else 0

    def _rule(self) -> sides.TickRule | None:
        return sides.TickRule() if self.options.side == "tick-rule" else None

    def _rows(self, market: Market, source: Source) -> Iterator[str]:
        batch = sources.with_sides(source.sample, self._rule(), source.found.member.where)
        rows = writer.raw_trades(market, TradeIds(market), batch).select(list(SHOWN)).to_pylist()
        cells = [SHOWN, *(tuple(_cell(row[name]) for name in SHOWN) for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(SHOWN))]
        for row in cells:
            yield "  " + "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()


def with_progress(days: Iterable[DayFile]) -> Iterator[DayFile]:
    """Yield days as they are written; a terminal shows how far the work is."""
    from rich.console import Console

    rows = 0
    with Console(stderr=True).status("Reading ...") as status:
        for day in days:
            rows += day.rows
            status.update(f"{day.market.exchange} {day.market.name} {day.day}: {rows:,} trades so far")
            yield day


def summary(days: Iterable[DayFile]) -> Iterator[str]:
    """Yield a sentence for each market: how many trades of which days were written, and how many were there."""
    markets: dict[Market, list[DayFile]] = {}
    for day in days:
        markets.setdefault(day.market, []).append(day)
    for market, files in markets.items():
        new = [day for day in files if day.is_new]
        dates = sorted(day.day for day in files)
        span = f"{dates[0]}" if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
        parts = []
        if new:
            parts.append(f"{_count(sum(day.rows for day in new), 'trade')} of {_count(len(new), 'day')} written")
        if len(new) < len(files):
            parts.append(f"{_count(len(files) - len(new), 'day')} there already")
        yield f"{market.exchange} {market.name}: {', '.join(parts)} ({span})"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.8f}".rstrip("0").rstrip(".")
    return str(value).replace("+00:00", "") if value is not None else ""
