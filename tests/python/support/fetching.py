"""`crypto fetch` without its command line, and what it landed."""

import itertools
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from lakehouse import settings as settings_module
from lakehouse.settings import Settings
from market_data import fetch, summary
from market_data.fetch.plan import FetchOptions
from support.exchange_server import DAY, Trade, day_start, single
from support.isolation import no_settings
from support.project import PROJECT


def homes(folder: Path, address: str) -> Callable[[], Settings]:
    """Return a function that gives settings of a new data home in ``folder``, which asks the server at ``address``."""
    counter = itertools.count()

    def new() -> Settings:
        given = {"CRYPTO_HOME": str(folder / f"home {next(counter)}"), "CRYPTO_EXCHANGE_MIRROR": address}
        return settings_module.load(no_settings() | given, PROJECT)

    return new


def fetched(settings: Settings, monkeypatch, exchange: str, *names: str, since: str, until: str = "", **asked) -> str:
    """Fetch, without asking Postgres what the reference data lacks; return what was said."""
    monkeypatch.setattr(summary, "next_steps", lambda *_: ())
    said: list[str] = []
    kept = ("may_replace", "without_ids", "tick_rule", "with_today", "with_incomplete")
    chosen = FetchOptions(**{name: value for name, value in asked.items() if name in kept})
    options = {name: value for name, value in asked.items() if name not in kept}
    days = (date.fromisoformat(since), date.fromisoformat(until or since))
    code = fetch.run(settings, exchange, names, *days, chosen, said.append, **options)
    return "\n".join([*said, f"exit code {code}"])


def landed(settings: Settings) -> dict[str, bytes]:
    """Return the files of the landing zone, by their paths in it."""
    zone = Path(settings.landing_zone)
    return {str(path.relative_to(zone)): path.read_bytes() for path in sorted(zone.rglob("*")) if path.is_file()}


def rows(settings: Settings, path: str) -> list[tuple]:
    """Return the trades of a file in its order: the end of the id, time, price, volume and side."""
    table = pq.read_table(f"{settings.landing_zone}/{path}")
    times = table["timestamp"].cast("int64").to_pylist()
    ids = [name.rsplit(":", 1)[1] for name in table["trade_id"].to_pylist()]
    names = ("price", "volume", "trade_type")
    return list(zip(ids, times, *(table[name].to_pylist() for name in names), strict=True))


def expected(trades: list[Trade], day: str, *, of_archive: bool = False, aggregated: bool = False) -> list[tuple]:
    """Return what `rows` must give for the trades of a day; Binance's archive has milliseconds before 2025."""
    first = day_start(date.fromisoformat(day))
    inside = [trade for trade in trades if first <= trade.moment < first + DAY]
    unit = 1000 if of_archive and day < "2025" else 1
    return [
        (
            f"{trade.members[0] if aggregated else trade.number:020d}",
            trade.moment // unit * unit,
            float(trade.price),
            float(trade.amount),
            trade.side.upper(),
        )
        for trade in (single(inside) if of_archive else inside)
    ]
