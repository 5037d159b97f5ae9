"""`crypto fetch`: trades from exchanges' archives and APIs, a UTC day a file, into the landing zone."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial

from rich.filesize import decimal

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import day_files, exchanges, summary
from market_data.day_files import DayFile
from market_data.exchanges import common_call
from market_data.exchanges.exchange import Exchange
from market_data.fetch import download
from market_data.fetch.api import ApiSource
from market_data.fetch.archives import ArchiveSource
from market_data.fetch.fetch_log import FetchLog
from market_data.fetch.plan import DAY, Estimate, FetchOptions, Part, list_days, today
from market_data.fetch.progress import duration, progress_bar
from market_data.markets import Market
from market_data.tools import tardis

ARCHIVE, API, TARDIS = "archive", "api", "tardis"

TradeSource = ArchiveSource | ApiSource


def run(
    settings: Settings,
    exchange: str,
    names: Sequence[str],
    since: date | None,
    until: date | None,
    options: FetchOptions,
    say: Callable[[str], None],
    *,
    source: str | None = None,
    per: int = 1,
    again: bool = False,
    dry_run: bool = False,
    wait: float = 600,
) -> int:
    """Fetch the trades of markets, saying first about how much it is; days that were fetched before are left out.

    By default the day that was over last. ``source`` is one of ARCHIVE, API and TARDIS; a busy one is waited for as
    many seconds as ``wait``. Return the exit code: 1 if trades of a day are missing. Raise CryptoError if nothing can
    be had; what was fetched before stays, and the same call goes on from there.
    """
    download.session().say, download.session().limit = say, wait
    place = exchanges.find(exchange)
    if not place.paging and source in (None, API):
        place = common_call.find(place)
    markets = list(dict.fromkeys(replace(place.market(name), per=per) for name in names))
    days = _days(since, until, options, say)
    chosen = _source(settings, place, source, options, say)
    with settings.writing_home(), _exclusive(settings, place.name):
        parts: list[Part] = []
        for market in markets:
            missing = days if again else _missing(settings, market, days)
            if len(missing) < len(days):
                say(f"{market}: {list_days(sorted(set(days) - set(missing)))} was fetched before.")
            if missing:
                parts += chosen.plan(market, missing, say)
        if not parts:
            say("There is nothing to fetch.")
            return 0
        estimate = chosen.estimate(parts)
        _say_how_much(chosen, parts, estimate, say)
        if dry_run:
            say("Nothing is fetched; leave --dry-run out to fetch.")
            return 0
        files = _get_all(chosen, parts, estimate, say)
    lacking = chosen.lacking if isinstance(chosen, ApiSource) else []
    for line in (*summary.summarize(files), *_remarks(chosen, files), *lacking):
        say(line)
    if files:
        for line in summary.next_steps(settings, files):
            say(line)
        say("The next `crypto run` lands the trades.")
    if lacking:
        say("Run the same command again for what is missing; --incomplete writes days as far as they came.")
    return 1 if lacking else 0


def _remarks(source: TradeSource, files: list[DayFile]) -> Iterator[str]:
    """Yield what became of the rows that were read."""
    landing = source.landing
    if not files:
        return
    left_out = "".join(f", {number:,} {why}" for why, number in (+landing.left_out).items())
    taken = summary.count(landing.read - landing.left_out.total(), "trade")
    yield f"Read {summary.count(landing.read, 'row')}: {taken} taken" + (
        f", left out{left_out[1:]}." if left_out else "."
    )
    if landing.missing:
        yield f"{summary.count(landing.missing, 'id')} between other trades are not there, also when asked for again."


def _days(since: date | None, until: date | None, options: FetchOptions, say: Callable[[str], None]) -> list[date]:
    """Return the days asked for, as far as they are over or the user wants today too."""
    last = today() if options.with_today else today() - DAY
    first = since or until or last
    if first > last:
        raise CryptoError(f"{first} is not over yet (UTC); ask for days before {last + DAY}, or add --today.")
    until = until or last
    if until < first:
        raise CryptoError(f"The days end ({until}) before they begin ({first}); correct --since and --until.")
    if until > last:
        say(f"{last + DAY if until == last + DAY else f'What is after {last}'} is left out: it is not over.")
    return [first + number * DAY for number in range((min(until, last) - first).days + 1)]


def _source(
    settings: Settings, exchange: Exchange, source: str | None, options: FetchOptions, say: Callable[[str], None]
) -> TradeSource:
    """Return the source that was chosen, by default the exchange's archive, or else its API."""
    source = source or (ARCHIVE if exchange.archive else API)
    if source == TARDIS:
        return ArchiveSource(settings, options, tardis.ARCHIVE)
    if source == ARCHIVE:
        if not exchange.archive:
            raise CryptoError(
                f"{exchange.name} has no archive that is known here; leave --from out, or use --from tardis."
            )
        return ArchiveSource(settings, options, exchange.archive)
    return ApiSource(settings, options, exchange, say)


@contextmanager
def _exclusive(settings: Settings, exchange: str) -> Iterator[None]:
    """Keep a second command from asking the same exchange, which would break its rate limit and these files."""
    path = settings.home / "fetch" / f"{exchange}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CryptoError(f"Another `crypto fetch` of {exchange} is at work in this home; wait for it.") from None
        yield


def _missing(settings: Settings, market: Market, days: list[date]) -> list[date]:
    log, there = FetchLog(settings, market), day_files.days(settings, market)
    return [day for day in days if not log.has(day, there.get(day))]


def _say_how_much(source: TradeSource, parts: list[Part], estimate: Estimate, say: Callable[[str], None]) -> None:
    markets = ", ".join(dict.fromkeys(part.market.name for part in parts))
    days = sorted({day for part in parts for day in part.days})
    span = f"{days[0]} to {days[-1]}" if len(days) > 1 else f"{days[0]}"
    say(f"{markets} from {source.name}, {span} ({summary.count(len(days), 'day')}).")
    say(
        f"About {estimate.rows:,} trades, {decimal(estimate.size)} to download, {duration(estimate.seconds)} "
        f"{estimate.speed}."
    )


def _get_all(source: TradeSource, parts: list[Part], estimate: Estimate, say: Callable[[str], None]) -> list[DayFile]:
    """Get all parts, showing progress; return the days that were written."""
    files: list[DayFile] = []
    with progress_bar(source.unit) as bar:
        task = bar.add_task("", total=estimate.size if source.unit == "bytes" else estimate.rows)
        for part in parts:
            bar.update(task, description=f"{part.market.name} {list_days(list(part.days))}")
            for file in source.get(part, partial(bar.advance, task)):
                files.append(file)
                say(f"  {file.path}  {file.rows:,} trades" + ("" if file.is_new else ", there already"))
    return files
