"""`crypto fetch`: trades from exchanges' archives and APIs, a UTC day a file, into the landing zone."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import advice, importing, writer
from market_data.fetch.api import EXCHANGES, Api
from market_data.fetch.archives import listed
from market_data.fetch.binance_archive import BinanceArchive
from market_data.fetch.progress import Progress, duration, size
from market_data.fetch.records import Records
from market_data.fetch.source import DAY, Estimate, Part, Source, Wanted, span, today
from market_data.fetch.tardis import Tardis
from market_data.markets import Market, market
from market_data.writer import DayFile

ARCHIVE, API, TARDIS = "archive", "api", "tardis"


def run(
    settings: Settings,
    exchange: str,
    names: Sequence[str],
    since: date | None,
    until: date | None,
    wanted: Wanted,
    say: Callable[[str], None],
    *,
    source: str | None = None,
    per: int = 1,
    again: bool = False,
    dry_run: bool = False,
) -> None:
    """Fetch the trades of markets, saying first about how much it is; days that were fetched before are left out.

    By default the day that was over last. ``source`` is one of ARCHIVE, API and TARDIS. Raise CryptoError if nothing
    can be had; what was fetched before stays, and the same call goes on from there.
    """
    markets = list(dict.fromkeys(replace(market(exchange, name), per=per) for name in names))
    days = _days(since, until, wanted, say)
    with ExitStack() as stack:
        chosen = stack.enter_context(_opened(settings, markets[0].exchange, source, wanted, say))
        stack.enter_context(settings.writing_home())
        stack.enter_context(_alone(settings, markets[0].exchange))
        parts: list[Part] = []
        for one in markets:
            missing = days if again else _missing(settings, one, days)
            if len(missing) < len(days):
                there = sorted(set(days) - set(missing))
                say(f"{one.exchange} {one.name}: {listed(there)} was fetched before.")
            if missing:
                parts += chosen.plan(one, missing, say)
        if not parts:
            say("There is nothing to fetch.")
            return
        estimate = chosen.estimate(parts)
        _say_how_much(chosen, parts, estimate, say)
        if dry_run:
            say("Nothing is fetched; leave --dry-run out to fetch.")
            return
        files = _fetched(chosen, parts, estimate, say)
    for line in (*importing.summary(files), *advice.advice(settings, files)):
        say(line)
    if files:
        say("The next `crypto run` lands the trades.")


def _days(since: date | None, until: date | None, wanted: Wanted, say: Callable[[str], None]) -> list[date]:
    """Return the days asked for, as far as they are over or the user wants today too."""
    last = today() if wanted.with_today else today() - DAY
    first = since or until or last
    if first > last:
        raise CryptoError(f"{first} is not over yet (UTC); ask for days before {last + DAY}, or add --today.")
    until = until or last
    if until < first:
        raise CryptoError(f"The days end ({until}) before they begin ({first}); correct --since and --until.")
    if until > last:
        say(f"{listed([last + DAY]) if until == last + DAY else f'What is after {last}'} is left out: it is not over.")
    return [first + number * DAY for number in range((min(until, last) - first).days + 1)]


@contextmanager
def _opened(
    settings: Settings, exchange: str, source: str | None, wanted: Wanted, say: Callable[[str], None]
) -> Iterator[Source]:
    """Yield the source that was chosen, by default the one that reaches back the furthest."""
    source = source or (ARCHIVE if exchange == "Binance" else API)
    if source == TARDIS:
        yield Tardis(settings, wanted)
    elif source == ARCHIVE:
        if exchange != "Binance":
            raise CryptoError(f"{exchange} has no archive that is known here; leave --from out, or use --from tardis.")
        yield BinanceArchive(settings, wanted)
    elif exchange not in EXCHANGES:
        raise CryptoError(
            f"The API of {exchange} is not known here, those of {', '.join(EXCHANGES)} are; use --from tardis for the "
            "first days of months, or `crypto import` for files that you have."
        )
    else:
        with Api(settings, wanted, say) as api:
            yield api


@contextmanager
def _alone(settings: Settings, exchange: str) -> Iterator[None]:
    """Keep a second command from asking the same exchange, which would break its rate limit and these files."""
    path = settings.home / "fetch" / f"{exchange}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CryptoError(f"Another `crypto fetch` of {exchange} is at work in this home; wait for it.") from None
        yield


def _missing(settings: Settings, one: Market, days: list[date]) -> list[date]:
    records, there = Records(settings, one), writer.days(settings, one)
    return [day for day in days if not records.has(day, there.get(day))]


def _say_how_much(source: Source, parts: list[Part], estimate: Estimate, say: Callable[[str], None]) -> None:
    markets = ", ".join(dict.fromkeys(part.market.name for part in parts))
    days = sorted({day for part in parts for day in part.days})
    say(f"{markets} from {source.name}, {span(days)} ({len(days):,} {'day' if len(days) == 1 else 'days'}).")
    say(
        f"About {estimate.rows:,} trades, {size(estimate.size)} to download, {duration(estimate.seconds)} "
        f"{estimate.speed}."
    )


def _fetched(source: Source, parts: list[Part], estimate: Estimate, say: Callable[[str], None]) -> list[DayFile]:
    """Get all parts, showing progress; return the days that were written."""
    files: list[DayFile] = []
    total = estimate.size if source.unit == "bytes" else estimate.rows
    with Progress(total, source.unit, say) as progress:
        for part in parts:
            progress.begin(f"{part.market.name} {span(list(part.days))}")
            for file in source.get(part, progress.advance):
                files.append(file)
                progress.say(f"  {file.path}  {file.rows:,} trades" + ("" if file.is_new else ", there already"))
    return files
