"""Sample trades that resemble a market. The same arguments give the same bytes, on whatever day they are generated."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.errors import CryptoError, first_line

# For each symbol, its price in dollars on the first day and its share of all trades.
MARKET = {
    "BTC": (42_000.0, 0.36),
    "ETH": (2_300.0, 0.27),
    "SOL": (100.0, 0.17),
    "MATIC": (0.95, 0.1),
    "AVAX": (38.0, 0.1),
}
# Each exchange's share of all trades.
EXCHANGES = {"Binance": 0.45, "Coinbase": 0.3, "Kraken": 0.15, "Gemini": 0.1}
SYMBOLS = tuple(MARKET)
# A fixed day in the past, because screening rejects trades that are later than their file.
FIRST_DAY = date(2024, 1, 1)
# The share of trades whose volume is null.
MISSING_VOLUMES = 0.02
# Kinds of dirty rows: a column of codes or values, and what is put there. Symbol -2 is an odd spelling, -1 is unknown.
WRONG: tuple[tuple[str, list], ...] = (
    ("no_id", [True]),
    ("symbol", [-2]),
    ("symbol", [-1]),
    ("exchange", [len(EXCHANGES)]),
    ("side", [2]),
    ("price", [0.0, -1.0, np.nan]),
    ("volume", [0.0, -1.0, np.inf]),
    ("moment", [0]),
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
# Microseconds.
MINUTE, DAY = 60_000_000, 86_400_000_000


@dataclass(frozen=True)
class Plan:
    """The arguments of ``generate``, which describes them."""

    trades: int
    days: int
    files: int
    symbols: tuple[str, ...]
    seed: int
    start: date
    dirt: float

    @property
    def name(self) -> str:
        """A short name that differs between samples, so that their trade ids and files do too."""
        return f"{zlib.crc32(repr(self).encode()):08x}"

    def check(self) -> None:
        """Raise CryptoError if such a sample can't be generated."""
        pairs = self.days * len(self.symbols)
        if not self.symbols or "" in self.symbols:
            raise CryptoError("The sample needs at least one symbol; name some, such as BTC.")
        if self.days < 1 or self.files < 1:
            raise CryptoError("The sample needs at least one day and one file; ask for more.")
        if self.trades < pairs:
            raise CryptoError(
                f"{self.trades} trades are too few for {len(self.symbols)} symbols on {self.days} days; "
                f"ask for at least {pairs}."
            )
        if self.files > self.trades:
            raise CryptoError(f"{self.trades} trades can't fill {self.files} files; ask for fewer files.")
        if not 0 <= self.dirt <= 1:
            raise CryptoError(f"The share of dirty rows is {self.dirt}; write a number from 0 to 1.")
        if self.days > (datetime.now(UTC).date() - self.start).days:
            raise CryptoError(
                f"The sample would run into the future with {self.days} days from {self.start}; "
                "ask for fewer days or an earlier start."
            )


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
    of the volumes are null. ``dirt`` is the share of rows (0 to 1) that have one more fault each: a repeated
    or conflicting id, late arrival, an odd spelling, an unknown symbol and so on.
    Return the addresses of the files. A file that already exists with the same bytes is not written again.
    Raise CryptoError if the numbers contradict each other or the destination can't be written.
    """
    names = tuple(dict.fromkeys(symbol.strip() for symbol in symbols))
    plan = Plan(trades, days, files, names, seed, start, dirt)
    plan.check()
    random = np.random.default_rng(seed)
    table, order = _trades(random, plan)
    addresses = []
    for number, rows in enumerate(np.array_split(order, files), 1):
        sink = pa.BufferOutputStream()
        pq.write_table(table.take(rows), sink, compression="zstd", row_group_size=1_000_000)
        name = f"sample_{plan.name}_{number:04d}.parquet"
        addresses.append(_write(destination, name, sink.getvalue().to_pybytes()))
    return addresses


def _trades(random: np.random.Generator, plan: Plan) -> tuple[pa.Table, np.ndarray]:
    """Return all rows ordered by time, and their positions, shape (trades,), in the order of the files."""
    count = plan.trades
    symbol, moment = _moments(random, plan)
    side = random.integers(0, 2, count)
    price = _prices(random, plan)[symbol, moment // MINUTE]
    # A buyer pays a little more than a seller gets.
    price = price * np.exp(random.normal(0, 2e-4, count) + np.where(side == 0, 1e-4, -1e-4))
    # The median trade is worth about 500 dollars, and a few are worth a million.
    volume = np.maximum(np.round(random.lognormal(6.2, 1.6, count) / price, 6), 1e-6)
    first = np.unique(symbol * plan.days + moment // DAY, return_index=True)[1]
    # The first trade of each symbol and day is never made dirty, so that every day has a valid trade.
    spare = np.setdiff1d(np.arange(count), first)
    rows = {
        "number": np.arange(count),
        "symbol": symbol,
        "price": np.where(price >= 10, np.round(price, 2), np.maximum(np.round(price, 4), 1e-4)),
        "volume": volume,
        "side": side,
        "exchange": random.choice(len(EXCHANGES), count, p=list(EXCHANGES.values())),
        "moment": moment + (plan.start - date(1970, 1, 1)).days * DAY,
        "user": np.minimum(random.zipf(1.3, count), 5_000),
        "no_volume": np.zeros(count, bool),
        "no_id": np.zeros(count, bool),
    }
    rows["no_volume"][spare[random.random(len(spare)) < MISSING_VOLUMES]] = True
    file = np.arange(count) * plan.files // count
    _add_dirt(random, plan, rows, file, spare)
    return _table(plan, rows), np.argsort(file, kind="stable")


def _add_dirt(
    random: np.random.Generator, plan: Plan, rows: dict[str, np.ndarray], file: np.ndarray, spare: np.ndarray
) -> None:
    """Make a share of ``plan.dirt`` of all rows dirty, in place, with equally many rows of each kind.

    ``rows`` and ``file``, the number of each row's file, have shape (trades,); ``spare`` are the rows to choose from.
    """
    dirty, clean = np.split(random.permutation(spare), [round(plan.dirt * plan.trades)])
    if not len(clean):
        clean = spare
    repeated, conflicting, late, *parts = np.array_split(dirty, 3 + len(WRONG))
    for values in rows.values():
        values[repeated] = values[clean[np.arange(len(repeated)) % len(clean)]]
    rows["number"][conflicting] = rows["number"][clean[-1 - np.arange(len(conflicting)) % len(clean)]]
    file[late] = random.integers(file[late], plan.files)
    for (column, wrong), part in zip(WRONG, parts, strict=True):
        rows[column][part] = random.choice(wrong, len(part))
        if column == "volume":
            rows["no_volume"][part] = False


def _table(plan: Plan, rows: dict[str, np.ndarray]) -> pa.Table:
    odd = [f" {plan.symbols[0].lower()}\t", "WAGMI"]
    columns = [
        pc.if_else(pa.array(rows["no_id"]), None, _numbered(f"t{plan.name}", rows["number"], 9)),
        _pick([*plan.symbols, *odd], rows["symbol"]),
        pa.array(rows["price"]),
        pa.array(rows["volume"], mask=rows["no_volume"]),
        _pick(["BUY", "SELL", "HOLD"], rows["side"]),
        _pick([*EXCHANGES, "FTX"], rows["exchange"]),
        pa.array(rows["moment"]).cast(SCHEMA.field("timestamp").type),
        _numbered("user", rows["user"], 4),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _moments(random: np.random.Generator, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return symbol codes and microseconds since the first day, shape (trades,), ordered by time."""
    shares = np.array([MARKET.get(symbol, (0, 0.1))[1] for symbol in plan.symbols])
    weights = (shares[:, None] * random.lognormal(0, 0.3, plan.days)).ravel()
    counts = 1 + random.multinomial(plan.trades - len(weights), weights / weights.sum())
    symbol, day = np.divmod(np.repeat(np.arange(len(weights)), counts), plan.days)
    # Trading is busiest around 15:00 UTC (minute 900), when both Europe and America are awake.
    rate = np.cumsum(1 + 0.5 * np.cos((np.arange(MINUTES) - 900) / MINUTES * 2 * np.pi))
    minute = np.searchsorted(rate / rate[-1], random.random(plan.trades), side="right")
    moment = day * DAY + minute * MINUTE + random.integers(0, MINUTE, plan.trades)
    order = np.lexsort((symbol, moment))
    return symbol[order], moment[order]


def _prices(random: np.random.Generator, plan: Plan) -> np.ndarray:
    """Return a price in dollars for each symbol and minute, shape (symbols, days x 1440).

    The prices are geometric random walks. All symbols partly follow a common market factor, and the volatility of
    a day depends on that of the day before, so that calm and volatile days come in clusters.
    """
    shocks = random.normal(0, 0.25, plan.days)
    for day in range(1, plan.days):
        shocks[day] += 0.9 * shocks[day - 1]
    volatility = np.repeat(0.03 * np.exp(shocks) / np.sqrt(MINUTES), MINUTES)
    market = random.normal(0, 1, plan.days * MINUTES)
    paths = np.empty((len(plan.symbols), plan.days * MINUTES))
    for row, symbol in enumerate(plan.symbols):
        steps = volatility * (0.8 * market + 0.8 * random.normal(0, 1, plan.days * MINUTES))
        paths[row] = _level(symbol) * np.exp(np.cumsum(steps - volatility**2 * 0.64))
    return paths


def _level(symbol: str) -> float:
    """Return a symbol's first price in dollars; outside MARKET it is derived from the symbol's name."""
    return MARKET.get(symbol, (10 ** (zlib.crc32(symbol.encode()) % 4_000 / 1_000 - 1), 0))[0]


def _numbered(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0"), "-")


def _pick(texts: Sequence[str], codes: np.ndarray) -> pa.Array:
    # As in a list, a negative code counts from the end.
    indices = pa.array(codes % len(texts), pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts)).cast(pa.string())


def _write(destination: str, name: str, content: bytes) -> str:
    if destination.startswith("s3://"):
        return _write_s3(destination, name, content)
    folder = Path(destination)
    target, temporary = folder / name, folder / f"_{name}.{os.getpid()}"
    try:
        # Writing equal bytes would change the modification time, and a landed file would look changed.
        if not (target.is_file() and target.read_bytes() == content):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CryptoError(
            f"The sample can't be written to {folder} ({error.strerror}); check permissions and free space."
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
            f"The sample can't be written to s3://{bucket} ({first_line(error)}); "
            "check the bucket's name, AWS_REGION and the credentials."
        ) from error
    return f"s3://{bucket}/{key}"
