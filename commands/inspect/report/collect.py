"""Collect the report's data from the Delta tables, the record of runs and, if it is running, Postgres."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.run import history
from commands.run.view import FINE
from lakehouse import postgres
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    import pyarrow

PRICES = ("open", "high", "low", "close")
INDICATORS = (
    "sma_7", "sma_30", "sma_200", "ema_12", "ema_26", "vwap_30", "bollinger_upper", "bollinger_lower",
    "rsi_14", "macd", "macd_signal", "macd_histogram", "atr_14", "volatility_30", "drawdown",
)  # fmt: skip
PUBLISHED = ("daily_metrics", "trading_indicators")
# Days that a sparkline, the small chart beside a symbol, shows.
SPARK_DAYS = 60
# Significant digits of values that are only drawn, or shown rounded; prices stay exact.
DIGITS = 7
# Rows of the longest lists, runs that are shown, and runs whose nodes are shown too.
LISTED = 200
RUNS = 40
RUNS_WITH_NODES = 12


def collect(settings: Settings) -> dict[str, Any]:
    """Return the report's data, ready for JSON; raise CryptoError if no run has built gold yet."""
    days = lake.read(settings, "gold.daily_metrics", ["symbol", "metric_date", *PRICES, "volume", "is_filled"])
    indicators = lake.read(settings, "gold.trading_indicators", ["symbol", "metric_date", *INDICATORS])
    if days is None or indicators is None or not len(days):
        ran = days is not None and indicators is not None
        fix = settings.no_trades if ran else "`crypto run` builds the tables that it shows."
        raise CryptoError(f"There is nothing to report yet; {fix}")
    series = _series(days, indicators)
    return {
        "made_at": str(datetime.now(UTC))[:19],
        "as_of": str(max(days["metric_date"].to_pylist())),
        "symbols": _symbols(settings, series),
        "correlations": _correlations(settings),
        "quality": _quality(settings, series),
        "runs": _runs(settings),
        "fine": FINE,
        "hour_price": settings.hour_price,
        "run_budget": settings.run_budget,
        "sync": _sync(settings),
    }


def _series(days: pyarrow.Table, indicators: pyarrow.Table) -> dict[str, dict[str, Any]]:
    """Return for each symbol its columns as lists by day, and ``first_day``.

    A symbol has a row for every day, so the first day is enough to know the others.
    """
    key = [("symbol", "ascending"), ("metric_date", "ascending")]
    days, indicators = days.sort_by(key), indicators.sort_by(key)
    columns: dict[str, list[Any]] = {name: _floats(days[name]) for name in PRICES}
    columns["volume"] = _rounded(_floats(days["volume"]))
    columns |= {name: _rounded(indicators[name].to_pylist()) for name in INDICATORS}
    columns["is_filled"] = [int(value) for value in days["is_filled"].to_pylist()]
    symbols, dates = days["symbol"].to_pylist(), days["metric_date"].to_pylist()
    starts = [row for row, symbol in enumerate(symbols) if row == 0 or symbols[row - 1] != symbol]
    return {
        symbols[start]: {"first_day": str(dates[start])} | {name: values[start:end] for name, values in columns.items()}
        for start, end in zip(starts, [*starts[1:], len(symbols)], strict=True)
    }


def _floats(column: pyarrow.ChunkedArray) -> list[float]:
    return [float(value) for value in column.to_pylist()]


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.{DIGITS}g}") for value in values]


def _packed(values: dict[str, Any]) -> str:
    text = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
    return base64.b64encode(gzip.compress(text, 9, mtime=0)).decode()


def _symbols(settings: Settings, series: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    columns = ["symbol", "symbol_name", "category", "is_active", "is_complete", "close", "change_1d", "change_7d",
               "change_30d", "volume_30d", "rsi_14", "rsi_zone", "distance_to_high"]  # fmt: skip
    overview = lake.read(settings, "gold.market_overview", columns)
    rows = {row["symbol"]: row for row in overview.to_pylist()} if overview else {}
    result = []
    for symbol, values in sorted(series.items()):
        row = rows.get(symbol, {"symbol": symbol, "symbol_name": symbol, "close": values["close"][-1]})
        if row.get("volume_30d") is not None:
            row["volume_30d"] = float(row["volume_30d"])
        row["spark"] = [float(f"{value:.5g}") for value in values["close"][-SPARK_DAYS:]]
        result.append(row | {"series": _packed(values)})
    return result


def _correlations(settings: Settings) -> dict[str, Any]:
    """Return the correlations of each pair of symbols on the last day that has any."""
    table = lake.read(
        settings, "gold.correlations", ["symbol_a", "symbol_b", "metric_date", "correlation_30", "correlation_90"]
    )
    if not table:
        return {"as_of": None, "symbols": [], "pairs": []}
    newest = max(table["metric_date"].to_pylist())
    rows = [row for row in table.to_pylist() if row["metric_date"] == newest]
    pairs = [
        [row["symbol_a"], row["symbol_b"], *_rounded((row["correlation_30"], row["correlation_90"]))] for row in rows
    ]
    symbols = sorted({symbol for pair in pairs for symbol in pair[:2]})
    return {"as_of": str(newest), "symbols": symbols, "pairs": sorted(pairs, key=lambda pair: pair[:2])}


def _quality(settings: Settings, series: dict[str, dict[str, Any]]) -> dict[str, Any]:
    raw = lake.table(settings, "bronze.trades")
    reasons = _reasons(settings)
    screened = sum(row["rows"] for row in reasons)
    kept = sum(row["rows"] for row in reasons if row["reason"] is None)
    return {
        "raw": raw.count() if raw else 0,
        "kept": kept,
        "rejected": screened - kept,
        "reasons": [row for row in reasons if row["reason"] is not None],
        "filled": [
            {
                "symbol": symbol,
                "first_day": values["first_day"],
                "days": len(values["close"]),
                "filled": sum(values["is_filled"]),
            }
            for symbol, values in sorted(series.items())
        ],
        "batches": _batches(settings),
        "set_aside": _set_aside(settings),
        "revisions": _revisions(settings),
    }


def _reasons(settings: Settings) -> list[dict[str, Any]]:
    """Return number of rows and description of each reason; the reason of valid trades is None."""
    table = lake.read(settings, "silver.screened_trades", ["reason"])
    if table is None:
        return []
    counts = table["reason"].value_counts().to_pylist()
    meanings = lake.read(settings, "silver.rejection_reasons", ["reason", "description"])
    descriptions = (
        dict(zip(*(meanings[name].to_pylist() for name in ("reason", "description")), strict=True)) if meanings else {}
    )
    rows = [
        {"reason": row["values"], "rows": row["counts"], "means": descriptions.get(row["values"])} for row in counts
    ]
    return sorted(rows, key=lambda row: -row["rows"])


def _batches(settings: Settings) -> list[dict[str, Any]]:
    """Return what each ingestion landed, newest first, with the number of its late trades.

    A trade is late if an earlier batch had a trade of a later day.
    """
    import pyarrow.compute as pc

    files = lake.read(settings, "bronze.landed_files", ["batch_id", "row_count", "ingestion_timestamp"])
    trades = lake.read(
        settings, "silver.screened_trades", ["batch_id", "trade_date"], filter=pc.field("reason").is_null()
    )
    if not files or trades is None:
        return []
    landed = files.group_by("batch_id").aggregate(
        [("row_count", "sum"), ("row_count", "count"), ("ingestion_timestamp", "max")]
    )
    days = trades.group_by(["batch_id", "trade_date"]).aggregate([("trade_date", "count")]).sort_by("trade_date")
    by_batch: dict[int, list[tuple[Any, int]]] = {}
    for row in days.to_pylist():
        by_batch.setdefault(row["batch_id"], []).append((row["trade_date"], row["trade_date_count"]))
    batches, newest = [], None
    for row in landed.sort_by("batch_id").to_pylist():
        counts = by_batch.get(row["batch_id"], [])
        late = sum(rows for day, rows in counts if newest is not None and day < newest)
        newest = max([day for day, _ in counts] + ([newest] if newest else []), default=None)
        batches.append(
            {
                "batch_id": row["batch_id"],
                "landed_at": str(row["ingestion_timestamp_max"])[:19],
                "files": row["row_count_count"],
                "rows": row["row_count_sum"],
                "kept": sum(rows for _, rows in counts),
                "late": late,
            }
        )
    return batches[::-1][:LISTED]


def _set_aside(settings: Settings) -> list[dict[str, Any]]:
    columns = ["source_file", "reason", "detail", "rejected_at"]
    table = lake.read(settings, "bronze.rejected_files", columns)
    rows = table.sort_by([("rejected_at", "descending")]).to_pylist() if table else []
    return [row | {"rejected_at": str(row["rejected_at"])[:19]} for row in rows[:LISTED]]


def _revisions(settings: Settings) -> dict[str, Any]:
    columns = ["symbol", "window_start", "column_name", "old_value", "new_value", "revised_at", "batch_id"]
    table = lake.read(settings, "gold.candle_revisions", columns)
    if not table:
        return {"total": 0, "candles": 0, "latest": []}
    key = [
        ("revised_at", "descending"),
        ("symbol", "ascending"),
        ("window_start", "descending"),
        ("column_name", "ascending"),
    ]
    latest = [
        row | {"window_start": str(row["window_start"])[:10], "revised_at": str(row["revised_at"])[:19]}
        for row in table.sort_by(key).slice(0, LISTED).to_pylist()
    ]
    candles = len(table.group_by(["symbol", "window_start", "revised_at"]).aggregate([]))
    return {"total": len(table), "candles": candles, "latest": latest}


def _runs(settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "at": run.at,
            "ok": run.ok,
            "seconds": run.seconds,
            "cost": round(run.cost, 6),
            "over_budget": run.over_budget,
            "nodes": [
                [node.name, node.kind, node.status, node.seconds] for node in run.nodes if position < RUNS_WITH_NODES
            ],
        }
        for position, run in enumerate(history.runs(settings, RUNS))
    ]


def _sync(settings: Settings) -> dict[str, Any]:
    """Return the last syncs, from Postgres if it is running, else from the lake's copy of the log."""
    columns = ["table_name", "source_version", "rows_inserted", "rows_updated", "rows_deleted", "rows_total",
               "checksum", "seconds", "finished_at"]  # fmt: skip
    note, rows = "Postgres is not running: this is the lake's copy of the log of syncs.", None
    if postgres.status(settings).running:
        try:
            rows, note = _read_sync_runs(settings, columns), ""
        except CryptoError as error:
            note = f"{error} This is the lake's copy of the log of syncs."
    if rows is None:
        table = lake.read(settings, "sync.postgres_sync", columns)
        rows = table.sort_by([("finished_at", "descending")]).to_pylist() if table else []
    versions = {name: delta.version() for name in PUBLISHED if (delta := lake.table(settings, f"gold.{name}"))}
    shown = [
        row
        | {
            "checksum": str(row["checksum"]),
            "finished_at": str(row["finished_at"])[:19],
            "seconds": round(row["seconds"], 2),
        }
        for row in rows[:LISTED]
    ]
    return {"note": note, "gold_versions": versions, "syncs": shown}


def _read_sync_runs(settings: Settings, columns: list[str]) -> list[dict[str, Any]]:
    import psycopg
    from psycopg.rows import dict_row

    try:
        with postgres.connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("set time zone 'UTC'")
            query = f"select {', '.join(columns)} from crypto.sync_runs order by finished_at desc, table_name limit 200"
            return cursor.execute(query).fetchall()  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise CryptoError("crypto.sync_runs can't be read in Postgres.") from error
