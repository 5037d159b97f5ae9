"""Trades written as exchanges and tools give them out, each in its own layout, and what an import makes of them.

Trades are dicts with id (a number), price, volume (both as the source's text), side (BUY or SELL, the taker's) and time
(an aware datetime).
"""

import gzip
import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from lakehouse.settings import Settings
from market_data import exchanges, import_files
from market_data.trade_files import ImportOptions

START = datetime(2024, 3, 1, 23, 59, 58, tzinfo=UTC)
# Two days, two trades in the first second, a price that falls, stays and rises.
TRADES = [
    {"id": 7 + place, "price": price, "volume": volume, "side": side, "time": START + timedelta(milliseconds=at)}
    for place, (price, volume, side, at) in enumerate(
        [
            ("61837.63", "0.02", "BUY", 123),
            ("61837.62", "0.048", "SELL", 456),
            ("61837.62", "1.5", "SELL", 1_000),
            ("61840.00", "0.00000001", "BUY", 2_789),
        ]
    )
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BINANCE_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match"
AGGREGATED_HEADER = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match"
)


def microseconds(trade: dict) -> int:
    delta = trade["time"] - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def packed(path: Path, text: str) -> Path:
    """Write a text as the ending of the path says: in a zip, with gzip, or plain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{path.stem}.csv", text)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def with_checksum(path: Path, text: str | None = None) -> Path:
    """Put a checksum beside a file, as Binance's archive does."""
    digest = text or hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def binance(path: Path, trades: list[dict], *, header: bool = False, unit: int = 1_000, columns: int = 7) -> Path:
    """Binance's archive of trades; `unit` is microseconds a unit of time. With 6 columns, as for contracts."""
    rows = [
        f"{t['id']},{t['price']},{t['volume']},{float(t['price']) * float(t['volume']):.8f},{microseconds(t) // unit},"
        f"{'True' if t['side'] == 'SELL' else 'False'},True"
        for t in trades
    ]
    return packed(path, _lines([BINANCE_HEADER] * header + rows, columns))


def binance_aggregated(path: Path, trades: list[dict], *, header: bool = False, columns: int = 8) -> Path:
    """Binance's archive of aggregated trades, whose own ids begin at 500."""
    rows = [
        f"{500 + place},{t['price']},{t['volume']},{t['id']},{t['id'] + 2},{microseconds(t) // 1_000},"
        f"{str(t['side'] == 'SELL').lower()},true"
        for place, t in enumerate(trades)
    ]
    return packed(path, _lines([AGGREGATED_HEADER] * header + rows, columns))


def three_columns(path: Path, trades: list[dict], *, digits: int = 0) -> Path:
    """Kraken's history or a dump of bitcoincharts: time in seconds with some digits, price, volume."""
    moments = [f"{microseconds(t) // 1_000_000}.{microseconds(t) % 1_000_000:06d}" for t in trades]
    end = digits - 6 if digits else -7
    rows = [f"{at[: end or None]},{t['price']},{t['volume']}" for at, t in zip(moments, trades, strict=True)]
    return packed(path, "\n".join(rows) + "\n")


def tardis(path: Path, trades: list[dict], exchange: str, symbol: str) -> Path:
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    rows = [
        f"{exchange},{symbol},{microseconds(t)},{microseconds(t) + 1234},{t['id']},{(t['side'] or 'unknown').lower()},"
        f"{t['price']},{t['volume']}"
        for t in trades
    ]
    return packed(path, "\n".join([header, *rows]) + "\n")


def freqtrade(path: Path, trades: list[dict], *, ids: bool = True) -> Path:
    """What freqtrade stores, as the ending of the path says."""
    rows = [
        [
            microseconds(t) // 1_000,
            str(t["id"]) if ids else None,
            None,
            t["side"].lower(),
            float(t["price"]),
            float(t["volume"]),
            float(t["price"]) * float(t["volume"]),
        ]
        for t in trades
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["timestamp", "id", "type", "side", "price", "amount", "cost"]
    if path.suffix == ".feather":
        types = [pa.int64(), pa.string(), pa.string(), pa.string(), pa.float64(), pa.float64(), pa.float64()]
        columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
        feather.write_feather(pa.table(columns, names), str(path), compression="lz4")
        return path
    if ".csv" in path.name:
        text = [",".join("" if value is None else str(value) for value in row) for row in rows]
        return packed(path, "\n".join([",".join(names), *text]) + "\n")
    return packed(path, json.dumps(rows))


def coinbase(path: Path, trades: list[dict]) -> Path:
    """A page of Coinbase Exchange: newest first, the maker's side, times as text."""
    rows = [
        {
            "time": t["time"].isoformat().replace("+00:00", "Z"),
            "trade_id": t["id"],
            "price": t["price"],
            "size": t["volume"],
            "side": "sell" if t["side"] == "BUY" else "buy",
        }
        for t in reversed(trades)
    ]
    return packed(path, json.dumps(rows))


def gemini(path: Path, trades: list[dict], **more: object) -> Path:
    """A page of Gemini: newest first, milliseconds beside seconds."""
    rows = [
        {
            "timestamp": microseconds(t) // 1_000_000,
            "timestampms": microseconds(t) // 1_000,
            "tid": t["id"],
            "price": t["price"],
            "amount": t["volume"],
            "exchange": "gemini",
            "type": t["side"].lower(),
        }
        | more
        for t in reversed(trades)
    ]
    return packed(path, json.dumps(rows))


def kraken_answer(path: Path, trades: list[dict], pair: str) -> Path:
    rows = [[t["price"], t["volume"], microseconds(t) / 1e6, t["side"][0].lower(), "l", "", t["id"]] for t in trades]
    return packed(path, json.dumps({"error": [], "result": {pair: rows, "last": "0"}}))


def _lines(rows: list[str], columns: int) -> str:
    return "".join(",".join(row.split(",")[:columns]) + "\n" for row in rows)


def imported(settings: Settings, *paths: Path, **options) -> list[str]:
    """Import files without asking Postgres what the reference data lacks; return what was said, and the exit code."""
    said: list[str] = []
    with mock.patch("market_data.summary.next_steps", return_value=[]):
        code = import_files.run(settings, paths, ImportOptions(**options), said.append, dry_run=False)
    return [*said, f"exit {code}"]


def landed(settings: Settings) -> dict[str, list[dict]]:
    """Return the rows of each file of the landing zone, by path."""
    root = Path(settings.landing_zone)
    files = sorted(root.rglob("*.parquet"))
    return {file.relative_to(root).as_posix(): pq.ParquetFile(file).read().to_pylist() for file in files}


def all_rows(settings: Settings) -> list[dict]:
    return [row for rows in landed(settings).values() for row in rows]


def expected(market: str, *, milliseconds: float = 1, **changed) -> list[dict]:
    """Return TRADES as raw trades of a market, their times cut to so many milliseconds."""
    exchange, name = market.split(":")
    unit = timedelta(milliseconds=milliseconds)
    return [
        {
            "trade_id": f"{market}:{trade['id']:020d}",
            "symbol": exchanges.find(exchange).market(name).symbol,
            "price": float(trade["price"]),
            "volume": float(trade["volume"]),
            "trade_type": trade["side"],
            "exchange": exchange,
            "timestamp": EPOCH + (trade["time"] - EPOCH) // unit * unit,
            "user_id": None,
        }
        | changed
        for trade in TRADES
    ]
