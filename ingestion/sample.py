"""Sample trades that look like a market: the same arguments give the same bytes, on any day."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.errors import CryptoError

# Price in dollars on the first day, and the symbol's share of all trades.
MARKET = {
    "BTC": (42_000.0, 0.36),
    "ETH": (2_300.0, 0.27),
    "SOL": (100.0, 0.17),
    "MATIC": (0.95, 0.1),
    "AVAX": (38.0, 0.1),
}
EXCHANGES = {"Binance": 0.45, "Coinbase": 0.3, "Kraken": 0.15, "Gemini": 0.1}
SYMBOLS = tuple(MARKET)
# A fixed day in the past: trades later than their file's writing would be rejected.
FIRST_DAY = date(2024, 1, 1)
MISSING_VOLUMES = 0.02
DIRT = (
    *("repeated", "conflicting", "late", "spelling", "missing_id", "ancient"),
    *("unknown_symbol", "unknown_exchange", "trade_type", "price", "volume"),
)
SCHEMA = pa.schema(
    {
        "trade_id": pa.string(),
        "symbol": pa.string(),
        "price": pa.float64(),
        "volume": pa.float64(),
        "trade_type": pa.string(),
        "exchange": pa.string(),
        "timestamp": pa.timestamp("us", "UTC"),
        "user_id": pa.string(),
    }
)
MINUTES = 1440
DAY = 86_400_000_000  # microseconds


def generate(
    destination: str,
    *,
    trades: int = 100_000,
    days: int = 90,
    files: int = 2,
    symbols: Sequence[str] = SYMBOLS,
    seed: int = 42,
    start: date = FIRST_DAY,
    dirt: float = 0.0,
) -> list[str]:
    """Write ``trades`` rows of ``days`` whole UTC days from ``start`` as ``files`` Parquet files.

    ``destination`` is a folder or ``s3://bucket/prefix``. Every symbol trades on every day, and about 2 %
    of the volumes are null. ``dirt`` is the share of rows (0 to 1) that are wrong or hard in one more way
    each: repeated or conflicting ids, late rows, odd spelling, unknown symbols and so on.
    Returns the addresses written; a file that is already there with the same bytes is left alone.
    Raises CryptoError when the numbers can't be met or the destination can't be written.
    """
    symbols = tuple(dict.fromkeys(symbol.strip() for symbol in symbols))
    _check(trades, days, files, symbols, start, dirt)
    # Ids and file names of two different samples never meet.
    name = f"{zlib.crc32(repr((trades, days, files, symbols, seed, str(start), dirt)).encode()):08x}"
    table, order = _trades(trades, days, files, symbols, seed, start, dirt, name)
    addresses = []
    for number, rows in enumerate(np.array_split(order, files), 1):
        sink = pa.BufferOutputStream()
        pq.write_table(table.take(rows), sink, compression="zstd", row_group_size=1_000_000)
        addresses.append(
            _write(destination, f"sample_{name}_{number:04d}.parquet", sink.getvalue().to_pybytes())
        )
    return addresses


def _check(trades: int, days: int, files: int, symbols: Sequence[str], start: date, dirt: float) -> None:
    if not symbols or "" in symbols:
        raise CryptoError("The sample needs the name of at least one symbol, such as BTC.")
    if days < 1 or files < 1:
        raise CryptoError("The sample needs at least one day and one file.")
    if trades < days * len(symbols):
        raise CryptoError(
            f"{trades} trades can't cover {len(symbols)} symbols on {days} days; ask for {days * len(symbols)} or more."
        )
    if files > trades:
        raise CryptoError(f"{trades} trades can't fill {files} files; ask for fewer files.")
    if not 0 <= dirt <= 1:
        raise CryptoError(f"The share of dirty rows is {dirt}; write a number from 0 to 1.")
    try:
        end = start + timedelta(days=days)
    except OverflowError:
        end = date.max
    if end > datetime.now(UTC).date():
        raise CryptoError(
            f"The sample would end on {end}, in the future; ask for fewer days or an earlier start."
        )


def _trades(
    trades: int, days: int, files: int, symbols: Sequence[str], seed: int, start: date, dirt: float, name: str
) -> tuple[pa.Table, np.ndarray]:
    """Return all rows, by time, and the order (int64, shape (trades,)) in which the files hold them."""
    random = np.random.default_rng(seed)
    symbol, moment = _moments(random, trades, days, [MARKET.get(s, (0, 0.1))[1] for s in symbols])
    # The first trade of a symbol and day stays clean, so that no day is without one.
    first = np.zeros(trades, bool)
    first[np.unique(symbol * days + moment // DAY, return_index=True)[1]] = True
    side = random.integers(0, 2, trades)
    price = _prices(random, days, [_level(s) for s in symbols])[symbol, moment // 60_000_000]
    price = price * np.exp(random.normal(0, 2e-4, trades) + np.where(side == 0, 1e-4, -1e-4))
    # Most trades are worth some hundred dollars, a few a million.
    volume = np.maximum(np.round(random.lognormal(6.2, 1.6, trades) / price, 6), 1e-6)
    price = np.where(price >= 10, np.round(price, 2), np.maximum(np.round(price, 4), 1e-4))
    no_volume = (random.random(trades) < MISSING_VOLUMES) & ~first
    shares = np.array(list(EXCHANGES.values()))
    user = np.minimum(random.zipf(1.3, trades), 5_000)
    exchange = random.choice(len(EXCHANGES), trades, p=shares)
    number, file = np.arange(trades), np.arange(trades) * files // trades
    no_id = np.zeros(trades, bool)
    moment = moment + (start - date(1970, 1, 1)).days * DAY

    clean = np.flatnonzero(~first)
    dirty = random.permutation(clean)[: round(dirt * trades)]
    rest = np.setdiff1d(clean, dirty)
    if not len(rest):
        rest = clean
    texts = [*symbols, *(f" {s.lower()}\t" for s in symbols), "WAGMI"]
    for kind, rows in zip(DIRT, np.array_split(dirty, len(DIRT)), strict=True):
        if kind == "repeated":
            twin = random.choice(rest, len(rows)) if len(rows) else rows
            for column in (number, symbol, moment, side, price, volume, no_volume, user, exchange):
                column[rows] = column[twin]
        elif kind == "conflicting":
            number[rows] = number[random.choice(rest, len(rows))] if len(rows) else number[rows]
        elif kind == "late":
            file[rows] = random.integers(file[rows], files)
        elif kind == "spelling":
            symbol[rows] += len(symbols)
        elif kind == "missing_id":
            no_id[rows] = True
        elif kind == "ancient":
            moment[rows] = 0
        elif kind == "unknown_symbol":
            symbol[rows] = len(texts) - 1
        elif kind == "unknown_exchange":
            exchange[rows] = len(EXCHANGES)
        elif kind == "trade_type":
            side[rows] = 2
        elif kind == "price":
            price[rows] = random.choice([0.0, -1.0, np.nan], len(rows))
        elif kind == "volume":
            volume[rows], no_volume[rows] = random.choice([0.0, -1.0, np.inf], len(rows)), False

    digits = pc.utf8_lpad(pa.array(number).cast(pa.string()), 9, "0")
    ids = pc.binary_join_element_wise(f"t{name}", digits, "-")
    columns = [
        pc.if_else(pa.array(no_id), None, ids),
        _pick(texts, symbol),
        pa.array(price),
        pa.array(volume, mask=no_volume),
        _pick(["BUY", "SELL", "HOLD"], side),
        _pick([*EXCHANGES, "FTX"], exchange),
        pa.array(moment).cast(SCHEMA.field("timestamp").type),
        pc.binary_join_element_wise("user", pc.utf8_lpad(pa.array(user).cast(pa.string()), 4, "0"), "-"),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA), np.argsort(file, kind="stable")


def _moments(
    random: np.random.Generator, trades: int, days: int, shares: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return symbol codes and microseconds since the first day, shape (trades,), ordered by time."""
    busy = random.lognormal(0, 0.3, days)
    weights = (np.array(shares)[:, None] * busy).ravel()
    counts = 1 + random.multinomial(trades - len(weights), weights / weights.sum())
    symbol, day = np.divmod(np.repeat(np.arange(len(weights)), counts), days)
    # Markets are busiest in the American afternoon, at some 15:00 UTC.
    rate = np.cumsum(1 + 0.5 * np.cos((np.arange(MINUTES) - 900) / MINUTES * 2 * np.pi))
    minute = np.searchsorted(rate / rate[-1], random.random(trades), side="right")
    moment = day * DAY + minute * 60_000_000 + random.integers(0, 60_000_000, trades)
    order = np.lexsort((symbol, moment))
    return symbol[order], moment[order]


def _prices(random: np.random.Generator, days: int, levels: Sequence[float]) -> np.ndarray:
    """Return a price for each symbol and minute, shape (symbols, days x 1440), in dollars.

    Geometric random walks: all symbols follow one market in part, and calm and wild days come in clusters.
    """
    shocks = random.normal(0, 0.25, days)
    for day in range(1, days):
        shocks[day] += 0.9 * shocks[day - 1]
    volatility = np.repeat(0.03 * np.exp(shocks) / np.sqrt(MINUTES), MINUTES)
    market = random.normal(0, 1, days * MINUTES)
    paths = np.empty((len(levels), days * MINUTES))
    for row, level in enumerate(levels):
        steps = volatility * (0.8 * market + 0.8 * random.normal(0, 1, days * MINUTES))
        paths[row] = level * np.exp(np.cumsum(steps - volatility**2 * 0.64))
    return paths


def _level(symbol: str) -> float:
    """Return a plausible price in dollars, the same each time, also for a symbol not in MARKET."""
    return MARKET.get(symbol, (10 ** (zlib.crc32(symbol.encode()) % 4_000 / 1_000 - 1), 0))[0]


def _pick(texts: Sequence[str], codes: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(texts)).cast(pa.string())


def _write(destination: str, name: str, content: bytes) -> str:
    if destination.startswith("s3://"):
        return _write_s3(destination, name, content)
    folder = Path(destination)
    target, temporary = folder / name, folder / f"_{name}.{os.getpid()}"
    try:
        # A new modification time would make a landed file look changed.
        if not (target.is_file() and target.read_bytes() == content):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CryptoError(
            f"The sample can't be written to {folder} ({error.strerror}); check its permissions and free space."
        ) from error
    return str(target)


def _write_s3(destination: str, name: str, content: bytes) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = destination.removeprefix("s3://").strip("/").partition("/")
    key = f"{prefix}/{name}".lstrip("/")
    try:
        client = boto3.client("s3")
        same = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        listed = client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if not any(item["Key"] == key and item["ETag"] == same for item in listed):
            client.put_object(Bucket=bucket, Key=key, Body=content)
    except (BotoCoreError, ClientError) as error:
        raise CryptoError(
            f"The sample can't be written to s3://{bucket} ({error}); check the bucket's name, region and permissions."
        ) from error
    return f"s3://{bucket}/{key}"
