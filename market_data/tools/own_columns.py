"""Parquet, Feather and CSV files with any columns, which the user names with ``--columns``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from lakehouse.errors import CryptoError
from market_data.input_files import InputFile
from market_data.normalise import MAKER, TAKER, Columns
from market_data.tables import CsvFile, plain, read_columnar
from market_data.trade_files import SINGLE, WITHOUT_IDS, ImportOptions, NotTrades, TradeFile

# What can be named, under the names of raw trades, and what else it may be called.
NEEDED = ("price", "volume", "timestamp")
OPTIONAL = ("trade_id", "trade_type", "exchange", "market")
SYNONYMS = {
    **{"amount": "volume", "qty": "volume", "quantity": "volume", "size": "volume", "px": "price"},
    **{"time": "timestamp", "date": "timestamp", "datetime": "timestamp", "ts": "timestamp"},
    **{"id": "trade_id", "tradeid": "trade_id", "tid": "trade_id", "side": "trade_type", "symbol": "market"},
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


def find_csv(csv: CsvFile, options: ImportOptions) -> TradeFile:
    """Return how a CSV file is read; columns without a header are called 1, 2, 3 and so on."""
    titles = csv.titles or tuple(str(number + 1) for number in range(len(csv.first)))
    columns = _columns(csv.file, titles, options)
    types = {name: pa.float64() if name in (columns.price, columns.volume) else pa.string() for name in columns.names}
    return _trade_file(csv.file, columns, lambda: csv.read(titles, types))


def find_columnar(file: InputFile, schema: pa.Schema, options: ImportOptions) -> TradeFile:
    """Return how a Parquet or Feather file is read."""
    columns = _columns(file, tuple(schema.names), options)
    return _trade_file(file, columns, lambda: read_columnar(file, columns.names))


def _columns(file: InputFile, titles: tuple[str, ...], options: ImportOptions) -> Columns:
    named = options.columns or {name: name for name in (*NEEDED, *OPTIONAL) if name in titles}
    if not set(named) >= set(NEEDED):
        raise NotTrades(
            f"{file.where} has columns of its own ({', '.join(titles)}); say which is which, as in "
            f"--columns {_guess(titles)}, with --exchange and --market."
        )
    missing = [column for column in named.values() if column not in titles]
    if missing:
        raise CryptoError(f"{file.where} has no column {missing[0]}, but {', '.join(titles)}; correct --columns.")
    return Columns(
        named["price"],
        named["volume"],
        named["timestamp"],
        id=named.get("trade_id"),
        side=named.get("trade_type"),
        sides=MAKER if options.side == "maker" else TAKER,
        exchange=named.get("exchange"),
        market=named.get("market"),
    )


def _guess(titles: tuple[str, ...]) -> str:
    """Return a mapping for the user to correct, of the columns whose names tell what they are."""
    known = {SYNONYMS.get(plain(title), plain(title)): title for title in reversed(titles)}
    wanted = [*NEEDED, "trade_type", "trade_id"]
    return ",".join(f"{name}={known.get(name, '...')}" for name in wanted if name in known or name in NEEDED)


def _trade_file(file: InputFile, columns: Columns, read: Callable[[], Iterator[pa.RecordBatch]]) -> TradeFile:
    return TradeFile("trades of your own", file, SINGLE if columns.id else WITHOUT_IDS, None, None, columns, read)
