"""Files with any columns, which the user names with ``--columns``, and what the user says of their sides."""

from __future__ import annotations

from dataclasses import replace

from lakehouse.errors import CryptoError
from market_data.formats import column_types
from market_data.normalise import MAKER, SIGN, TAKER, Columns, parse_sides
from market_data.tables import Table, numbered, plain
from market_data.trade_files import SINGLE, ImportOptions, NotTrades, TradeFile

# What can be named, under the names of raw trades, and what else it may be called.
NEEDED = ("price", "volume", "timestamp")
OPTIONAL = ("trade_id", "trade_type", "exchange", "market")
SYNONYMS = {
    **dict.fromkeys(("amount", "qty", "quantity", "size", "sz", "baseamount"), "volume"),
    **dict.fromkeys(("time", "date", "datetime", "ts", "mts", "createdtime", "tradetime"), "timestamp"),
    **dict.fromkeys(("id", "tradeid", "tid"), "trade_id"),
    **dict.fromkeys(
        ("side", "direction", "taker", "takerside", "aggressorside", "isbuyermaker", "buyermaker"), "trade_type"
    ),
    **{"px": "price", "symbol": "market"},
}


def parse_mapping(text: str) -> dict[str, str]:
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


def trade_file(table: Table, options: ImportOptions) -> TradeFile:
    """Return a table as trades of the columns that the user names, or that are called as those of raw trades."""
    titles = table.titles
    named = options.columns or {name: name for name in (*NEEDED, *OPTIONAL) if name in titles}
    if not set(named) >= set(NEEDED):
        raise NotTrades(
            f"{table.file.where} has columns of its own ({', '.join(titles)}); say which is which, as in "
            f"--columns {_guess(titles)}, with --exchange and --market."
        )
    numbers = dict(zip(numbered(len(titles)), titles, strict=True))
    named = {name: column if column in titles else numbers.get(column, column) for name, column in named.items()}
    missing = [column for column in named.values() if column not in titles]
    if missing:
        raise CryptoError(f"{table.file.where} has no column {missing[0]}, but {', '.join(titles)}; correct --columns.")
    side, sides = named.get("trade_type"), options.sides
    left = next((title for title in titles if SYNONYMS.get(plain(title), plain(title)) == "trade_type"), None)
    if left and not side and sides is not SIGN:
        raise CryptoError(f"{table.file.where} has sides in its column {left}; add trade_type={left} to --columns.")
    if sides is None:
        sides = MAKER if options.side == "maker" else TAKER
        # The one name that says what true means.
        if side and plain(side) in ("isbuyermaker", "buyermaker"):
            sides = parse_sides("sell=true")
    elif options.side == "maker":
        sides = {text: 1 - code for text, code in sides.items() if code is not None}
    number, exchange, market = (named.get(name) for name in ("trade_id", "exchange", "market"))
    price, volume, timestamp = (named[name] for name in NEEDED)
    columns = Columns(price, volume, timestamp, number, side, sides, exchange, market)
    types = column_types(columns)
    return TradeFile(
        *("trades of your own", table.file, SINGLE, None, None, columns),
        lambda: table.read(types),
        is_page=table.is_answer,
    )


def agree(known: TradeFile, mine: TradeFile) -> TradeFile:
    """Return a known layout as far as the user names its columns; if the user names others, the user's own."""
    columns, own = known.columns, mine.columns
    if (columns.price, columns.volume, columns.timestamp) != (own.price, own.volume, own.timestamp):
        return mine
    if own.sides not in (TAKER, MAKER) or (own.side and own.side != columns.side):
        columns = replace(columns, side=own.side, sides=own.sides)
    number = own.id if columns.id else None
    return replace(known, columns=replace(columns, id=number, exchange=own.exchange, market=own.market))


def _guess(titles: tuple[str, ...]) -> str:
    """Return a mapping for the user to correct, of the columns whose names tell what they are."""
    known = {SYNONYMS.get(plain(title), plain(title)): title for title in reversed(titles)}
    wanted = [*NEEDED, "trade_type", "trade_id"]
    return ",".join(f"{name}={known.get(name, '...')}" for name in wanted if name in known or name in NEEDED)
