"""Sample trades that resemble a market. The same arguments give the same bytes, on whatever day they are generated."""

from __future__ import annotations

import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.errors import CryptoError, first_line
from lakehouse.storage.raw_files import Destination
from lakehouse.storage.raw_trades import SCHEMA

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
# Kinds of dirty rows: a column of codes or values, and what is put there. Symbol -1 is unknown.
WRONG: tuple[tuple[str, list], ...] = (
    ("no_id", [True]),
    ("odd_spelling", [True]),
    ("symbol", [-1]),
    ("exchange", [len(EXCHANGES)]),
    ("side", [2]),
    ("price", [0.0, -1.0, np.nan]),
    ("volume", [0.0, -1.0, np.inf]),
    ("moment", [0]),
)
# Rows of a row group, and random numbers that are drawn and thrown away at a time.
GROUP_ROWS = BLOCK = 1_000_000
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
    zone: Destination,
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

    Every symbol trades on every day, and about 2 % of the volumes are null. ``dirt`` is the share of rows (0 to 1) that
    have one more fault each: a repeated or conflicting id, late arrival, an odd spelling, an unknown symbol and so on.
    Memory is that of a day, and for dirty rows that of 20 bytes for each row.
    Return the addresses of the files. A file that already exists with the same bytes is not written again.
    Raise CryptoError if the numbers contradict each other or the zone can't be written.
    """
    names = tuple(dict.fromkeys(symbol.strip() for symbol in symbols))
    plan = Plan(trades, days, files, names, seed, start, dirt)
    plan.check()
    tables, waiting = _Sample(plan).tables(), [SCHEMA.empty_table()]
    paths = [f"sample_{plan.name}_{number:04d}.parquet" for number in range(1, files + 1)]
    try:
        with tempfile.TemporaryDirectory(prefix="crypto-lakehouse-") as folder:
            for number, path in enumerate(paths):
                staged = Path(folder) / path
                left = trades // files + (number < trades % files)
                with pq.ParquetWriter(staged, SCHEMA, compression="zstd") as writer:
                    while left:
                        group = _take(tables, waiting, min(left, GROUP_ROWS))
                        writer.write_table(group, GROUP_ROWS)
                        left -= group.num_rows
                # Writing equal bytes would change the modification time, and a landed file would look changed.
                if not zone.holds(staged, path):
                    zone.save(staged, path)
                staged.unlink()
    except OSError as error:
        raise CryptoError(
            f"The sample can't be written to {zone.address} ({first_line(error)}); check permissions and free "
            "space, and of a bucket its name, AWS_REGION and the credentials."
        ) from error
    return [f"{zone.address}/{path}" for path in paths]


def _take(tables: Iterator[pa.Table], waiting: list[pa.Table], count: int) -> pa.Table:
    """Return the next rows; ``waiting`` are those that have been read from ``tables`` and not been taken."""
    while sum(table.num_rows for table in waiting) < count:
        waiting.append(next(tables))
    together = pa.concat_tables(waiting)
    waiting[:] = [together.slice(count)]
    return together.slice(0, count).combine_chunks()


class _Sample:
    """The trades of a plan, a day at a time.

    The numbers of a column are drawn one after the other for all trades, and then those of the next column. So each
    column, or part of one, has a generator of its own, that stands where its numbers begin.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        random = np.random.default_rng(plan.seed)
        shares = np.array([MARKET.get(symbol, (0, 0.1))[1] for symbol in plan.symbols])
        weights = (shares[:, None] * random.lognormal(0, 0.3, plan.days)).ravel()
        counts = 1 + random.multinomial(plan.trades - len(weights), weights / weights.sum())
        # How many trades each symbol has on each day.
        self.counts = counts.reshape(len(plan.symbols), plan.days)
        of_symbols = self.counts.sum(axis=1).tolist()
        self.starts = {
            "minute": _skip(random, _uniform, of_symbols),
            "microsecond": _skip(random, _microsecond, of_symbols),
            "side": _skip(random, _side, [plan.trades]),
        }
        self.prices = _prices(random, plan)
        for name, draw in (("spread", _spread), ("worth", _worth), ("exchange", _uniform), ("user", _user)):
            self.starts[name] = _skip(random, draw, [plan.trades])
        self.starts["no_volume"] = _skip(random, _uniform, [plan.trades - len(weights)])
        self.dirt: list[_Dirt] = []
        if round(plan.dirt * plan.trades):
            self._draw_dirt(random)

    def tables(self) -> Iterator[pa.Table]:
        """Yield all rows in the order of the files: by time, but late rows at the beginning of a later file."""
        late: dict[int, list[pa.Table]] = defaultdict(list)
        reached = -1
        for start, rows in self._clean_days():
            end = start + len(rows["number"])
            in_time = np.arange(start, end) * self.plan.files // self.plan.trades
            file = in_time.copy()
            for dirt in self.dirt:
                dirt.put(rows | {"file": file}, start, end)
            table = _table(self.plan, rows)
            for number in np.unique(in_time).tolist():
                if number > reached:
                    yield from late.pop(number, ())
                    reached = number
                for target in np.unique(file[in_time == number]).tolist():
                    chosen = table.filter(pa.array((in_time == number) & (file == target)))
                    if target == number:
                        yield chosen
                    else:
                        late[target].append(chosen)

    def _clean_days(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Yield each day's first row number, and its rows without dirt."""
        plan, random = self.plan, deepcopy(self.starts)
        shares = np.cumsum(list(EXCHANGES.values()))
        epoch = (plan.start - date(1970, 1, 1)).days
        start = 0
        for day in range(plan.days):
            symbol, moment, first = self._moments(random, day)
            count = len(symbol)
            side = _side(random["side"][0], count)
            price = self.prices[symbol, day * MINUTES + moment // MINUTE]
            # A buyer pays a little more than a seller gets.
            price = price * np.exp(_spread(random["spread"][0], count) + np.where(side == 0, 1e-4, -1e-4))
            no_volume = np.zeros(count, bool)
            spare = np.delete(np.arange(count), first)
            no_volume[spare] = _uniform(random["no_volume"][0], len(spare)) < MISSING_VOLUMES
            rows = {
                "number": np.arange(start, start + count),
                "symbol": symbol,
                "price": np.where(price >= 10, np.round(price, 2), np.maximum(np.round(price, 4), 1e-4)),
                "volume": np.maximum(np.round(_worth(random["worth"][0], count) / price, 6), 1e-6),
                "side": side,
                "exchange": (shares / shares[-1]).searchsorted(_uniform(random["exchange"][0], count), side="right"),
                "moment": moment + (epoch + day) * DAY,
                "user": np.minimum(_user(random["user"][0], count), 5_000),
                "no_volume": no_volume,
                "no_id": np.zeros(count, bool),
                "odd_spelling": np.zeros(count, bool),
            }
            yield start, rows
            start += count

    def _moments(self, random: dict[str, list[np.random.Generator]], day: int) -> tuple[np.ndarray, ...]:
        """Return a day's symbol codes and microseconds, ordered by time, and the place of each symbol's first trade."""
        counts = self.counts[:, day]
        symbol = np.repeat(np.arange(len(counts)), counts)
        # Trading is busiest around 15:00 UTC (minute 900), when both Europe and America are awake.
        rate = np.cumsum(1 + 0.5 * np.cos((np.arange(MINUTES) - 900) / MINUTES * 2 * np.pi))
        uniform = np.concatenate([_uniform(one, count) for one, count in zip(random["minute"], counts, strict=True)])
        within = [_microsecond(one, count) for one, count in zip(random["microsecond"], counts, strict=True)]
        moment = np.searchsorted(rate / rate[-1], uniform, side="right") * MINUTE + np.concatenate(within)
        order = np.lexsort((symbol, moment))
        symbol = symbol[order]
        return symbol, moment[order], np.unique(symbol, return_index=True)[1]

    def _draw_dirt(self, random: np.random.Generator) -> None:
        """Choose a share of ``plan.dirt`` of all rows to be dirty, with equally many rows of each kind.

        The first trade of each symbol and day is never dirty, so that every day has a valid trade.
        """
        plan, ends, again = self.plan, [0], deepcopy(self.starts)
        first = []
        for day in range(plan.days):
            first.append(ends[-1] + self._moments(again, day)[2])
            ends.append(ends[-1] + int(self.counts[:, day].sum()))
        spare = np.delete(np.arange(plan.trades, dtype=np.int32), np.concatenate(first))
        dirty, clean = np.split(random.permutation(spare), [round(plan.dirt * plan.trades)])
        if not len(clean):
            clean = spare
        repeated, conflicting, late, *parts = np.array_split(dirty, 3 + len(WRONG))
        file = random.integers(late.astype(np.int64) * plan.files // plan.trades, plan.files)
        copies = self._copies(repeated, clean[np.arange(len(repeated)) % len(clean)])
        self.dirt = [*copies, _Dirt("file", late, file)]
        self.dirt.append(_Dirt("number", conflicting, clean[-1 - np.arange(len(conflicting)) % len(clean)]))
        for (column, wrong), part in zip(WRONG, parts, strict=True):
            self.dirt.append(_Dirt(column, part, random.choice(wrong, len(part))))
            if column == "volume":
                self.dirt.append(_Dirt("no_volume", part, np.zeros(len(part), bool)))

    def _copies(self, rows: np.ndarray, originals: np.ndarray) -> Iterator[_Dirt]:
        """Yield, for each column, the values of other rows for some rows."""
        values: dict[str, np.ndarray] = {}
        order = np.argsort(originals)
        for start, of_day in self._clean_days():
            low, high = np.searchsorted(originals[order], [start, start + len(of_day["number"])])
            places = order[low:high]
            for name, column in of_day.items():
                values.setdefault(name, np.empty(len(rows), column.dtype))[places] = column[originals[places] - start]
        for name, column in values.items():
            yield _Dirt(name, rows, column)


class _Dirt:
    """Values of one column for some rows, by the rows' numbers."""

    def __init__(self, column: str, rows: np.ndarray, values: np.ndarray) -> None:
        order = np.argsort(rows)
        self.column, self.rows, self.values = column, rows[order], values[order]

    def put(self, rows: dict[str, np.ndarray], start: int, end: int) -> None:
        """Put the values into the rows from number ``start`` to before ``end``."""
        low, high = np.searchsorted(self.rows, [start, end])
        rows[self.column][self.rows[low:high] - start] = self.values[low:high]


def _skip(
    random: np.random.Generator, draw: Callable[[np.random.Generator, int], np.ndarray], counts: Sequence[int]
) -> list[np.random.Generator]:
    """Draw so many numbers in turn; return generators that stand where each part of them begins."""
    starts = []
    for count in counts:
        starts.append(deepcopy(random))
        for left in range(count, 0, -BLOCK):
            draw(random, min(left, BLOCK))
    return starts


def _uniform(random: np.random.Generator, count: int) -> np.ndarray:
    return random.random(count)


def _microsecond(random: np.random.Generator, count: int) -> np.ndarray:
    return random.integers(0, MINUTE, count)


def _side(random: np.random.Generator, count: int) -> np.ndarray:
    return random.integers(0, 2, count)


def _spread(random: np.random.Generator, count: int) -> np.ndarray:
    return random.normal(0, 2e-4, count)


def _worth(random: np.random.Generator, count: int) -> np.ndarray:
    # The median trade is worth about 500 dollars, and a few are worth a million.
    return random.lognormal(6.2, 1.6, count)


def _user(random: np.random.Generator, count: int) -> np.ndarray:
    return random.zipf(1.3, count)


def _table(plan: Plan, rows: dict[str, np.ndarray]) -> pa.Table:
    texts = [*plan.symbols, *(f" {symbol.lower()}\t" for symbol in plan.symbols), "WAGMI"]
    columns = [
        pc.if_else(pa.array(rows["no_id"]), None, _ids(f"t{plan.name}", rows["number"], 9)),
        _pick(texts, rows["symbol"] + len(plan.symbols) * rows["odd_spelling"]),
        pa.array(rows["price"]),
        pa.array(rows["volume"], mask=rows["no_volume"]),
        _pick(["BUY", "SELL", "HOLD"], rows["side"]),
        _pick([*EXCHANGES, "FTX"], rows["exchange"]),
        pa.array(rows["moment"]).cast(SCHEMA.field("timestamp").type),
        _ids("user", rows["user"], 4),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


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


def _ids(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0"), "-")


def _pick(texts: Sequence[str], codes: np.ndarray) -> pa.Array:
    # As in a list, a negative code counts from the end.
    indices = pa.array(codes % len(texts), pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts)).cast(pa.string())
