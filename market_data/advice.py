"""What is left to do after market data was written: withdraw what it replaces, add what the reference data lacks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from lakehouse.errors import CryptoError
from lakehouse.postgres import reference
from lakehouse.settings import Settings
from market_data.exchanges import KNOWN
from market_data.writer import DayFile

# So many commands are shown one by one.
SHOWN = 5


def advice(settings: Settings, files: Iterable[DayFile]) -> Iterator[str]:
    """Yield sentences and commands for the user. Postgres is asked what the reference data and withdrawn files are."""
    days = list(files)
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
            company, country, website = KNOWN.get(name, (name, "", ""))
            details = f" --country {shlex.quote(country)} --website {shlex.quote(website)}" if country else ""
            yield f"  crypto exchanges add {name} --name {shlex.quote(company)}{details}"
        if lacking.symbols:
            yield f"  crypto symbols add {' '.join(lacking.symbols)}"
