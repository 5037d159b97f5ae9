"""What an import or a fetch says at its end: what was written, and what is left for the user to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from lakehouse.errors import CryptoError
from lakehouse.postgres import reference
from lakehouse.settings import Settings
from market_data import exchanges
from market_data.day_files import DayFile
from market_data.markets import Market

# So many commands are shown one by one.
SHOWN = 5


def count(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def summarize(files: Iterable[DayFile]) -> Iterator[str]:
    """Yield a sentence for each market: how many trades of which days were written, and how many were there."""
    markets: dict[Market, list[DayFile]] = {}
    for file in files:
        markets.setdefault(file.market, []).append(file)
    for market, days in markets.items():
        yield _of_market(market, days)


def _of_market(market: Market, files: list[DayFile]) -> str:
    new = [day for day in files if day.is_new]
    dates = sorted(day.day for day in files)
    span = f"{dates[0]}" if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    parts = []
    if new:
        parts.append(f"{count(sum(day.rows for day in new), 'trade')} of {count(len(new), 'day')} written")
    if len(new) < len(files):
        parts.append(f"{count(len(files) - len(new), 'day')} there already")
    return f"{market}: {', '.join(parts)} ({span})"


def next_steps(settings: Settings, days: list[DayFile]) -> Iterator[str]:
    """Yield what to withdraw, and what the reference data lacks, which Postgres is asked for."""
    for day in days:
        if day.kept:
            yield (
                f"{', '.join(day.kept)} has trades of other times of {day.day} than {day.path}; keep both, equal ids "
                "count once."
            )
    try:
        symbols = {day.market.symbol for day in days}
        lacking = reference.lacking(settings, symbols, {day.market.exchange for day in days})
    except CryptoError as error:
        yield f"What the reference data lacks could not be found out: {error}"
        return
    replaced = {old: day.path for day in days for old in day.replaced if old not in lacking.withdrawn}
    if replaced:
        yield "These files are replaced; withdraw them, or both count:"
        for old, new in list(replaced.items())[:SHOWN]:
            yield f"  crypto withdraw {old} --why 'replaced by {new}'"
    if len(replaced) > SHOWN:
        file = settings.home / "replaced_files.txt"
        file.write_text("".join(f"{old}\n" for old in replaced))
        yield f"and {len(replaced) - SHOWN:,} more. This withdraws all {len(replaced):,}:"
        yield f"  xargs crypto withdraw --why 'replaced by a later import' < {shlex.quote(str(file))}"
    if lacking.symbols or lacking.exchanges:
        yield "The reference data lacks these, and rejects their trades until you add them:"
        for name in lacking.exchanges:
            known = exchanges.find(name)
            company = shlex.quote(known.company or name)
            details = f" --country {shlex.quote(known.country)} --website {known.website}" if known.country else ""
            yield f"  crypto exchanges add {name} --name {company}{details}"
        if lacking.symbols:
            yield f"  crypto symbols add {' '.join(lacking.symbols)}"
