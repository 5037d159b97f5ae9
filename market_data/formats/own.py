"""Parquet, Feather and CSV files of one's own, whose columns the user names with ``--columns``."""

from __future__ import annotations

import pyarrow as pa

from lakehouse.errors import CryptoError
from market_data import sides
from market_data.formats import stored
from market_data.formats.found import Fields, Found, NotTrades, Options
from market_data.formats.text import Sheet, plain
from market_data.members import Member
from market_data.writer import TRADES, WITHOUT_IDS

# What can be named, under the names of raw trades, and what else it may be called.
NEEDED = ("price", "volume", "timestamp")
OPTIONAL = ("trade_id", "trade_type", "exchange", "market")
SYNONYMS = {
    **{"amount": "volume", "qty": "volume", "quantity": "volume", "size": "volume", "px": "price"},
    **{"time": "timestamp", "date": "timestamp", "datetime": "timestamp", "ts": "timestamp"},
    **{"id": "trade_id", "tradeid": "trade_id", "tid": "trade_id", "side": "trade_type", "symbol": "market"},
}


def mapping(text: str) -> dict[str, str]:
    """Return the columns that ``price=px,volume=qty`` names; raise CryptoError if it can't be read so."""
    found = {}
    for pair in text.split(","):
        name, separator, column = (part.strip() for part in pair.partition("="))
        name = SYNONYMS.get(name, name)
        if not (separator and column) or name not in (*NEEDED, *OPTIONAL):
            raise CryptoError(
                f"--columns has {pair!r}; write pairs such as price=px,volume=qty,timestamp=ts, with "
                f"{', '.join((*NEEDED, *OPTIONAL))} on the left."
            )
        found[name] = column
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise CryptoError(f"--columns does not say which column is {', '.join(missing)}; add it.")
    return found


def find_sheet(given: Sheet, options: Options) -> Found:
    """Return how a CSV file of one's own is read; columns without a header are called 1, 2, 3 and so on."""
    titles = given.titles or tuple(str(number + 1) for number in range(len(given.first)))
    fields = _fields(given.member, titles, options)
    types = {name: pa.float64() if name in (fields.price, fields.volume) else pa.string() for name in fields.names}
    return _found(given.member, fields, lambda: given.read(titles, types))


def find_stored(member: Member, schema: pa.Schema, options: Options) -> Found:
    """Return how a Parquet or Feather file of one's own is read."""
    fields = _fields(member, tuple(schema.names), options)
    return _found(member, fields, lambda: stored.read(member, fields.names))


def _fields(member: Member, titles: tuple[str, ...], options: Options) -> Fields:
    columns = options.columns or {name: name for name in (*NEEDED, *OPTIONAL) if name in titles}
    if not options.columns and not set(columns) >= set(NEEDED):
        raise NotTrades(
            f"{member.where} has columns of its own ({', '.join(titles)}); say which is which, as in "
            f"--columns {_guess(titles)}, with --exchange and --market."
        )
    missing = [column for column in columns.values() if column not in titles]
    if missing:
        raise CryptoError(f"{member.where} has no column {missing[0]}, but {', '.join(titles)}; correct --columns.")
    return Fields(
        columns["price"],
        columns["volume"],
        columns["timestamp"],
        columns.get("trade_id"),
        columns.get("trade_type"),
        sides.MAKER if options.side == sides.MAKER else sides.TAKER,
        columns.get("exchange"),
        columns.get("market"),
    )


def _guess(titles: tuple[str, ...]) -> str:
    """Return a mapping for the user to correct, of the columns whose names tell what they are."""
    known = {SYNONYMS.get(plain(title), plain(title)): title for title in reversed(titles)}
    wanted = [*NEEDED, "trade_type", "trade_id"]
    return ",".join(f"{name}={known.get(name, '...')}" for name in wanted if name in known or name in NEEDED)


def _found(member: Member, fields: Fields, read: object) -> Found:
    kind = TRADES if fields.id else WITHOUT_IDS
    return Found("trades of your own", member, kind, None, None, fields, read)  # type: ignore[arg-type]
