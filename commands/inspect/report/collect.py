"""Collect the report's data from the Delta tables, the record of runs and, if it is running, Postgres."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from commands.run import history, row_counts
from commands.run.nodes import FINE
from lakehouse import postgres, sync
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
# Days that a sparkline, the small chart beside a symbol, shows.
SPARK_DAYS = 60
# Significant digits of values that are only drawn, or shown rounded; prices stay exact.
DIGITS = 7
# Rows of the longest lists, runs that are shown, and runs whose nodes are shown too.
LISTED = 200
RUNS = 40
RUNS_WITH_NODES = 12
ALL = "select * from data"


def collect(settings: Settings) -> dict[str, Any]:
    """Return the report's data, ready for JSON; raise CryptoError if no run has built gold yet."""
    days = _by_day(settings, "gold.daily_metrics", (*PRICES, "volume", "is_filled"))
    indicators = _by_day(settings, "gold.trading_indicators", INDICATORS)
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


def _by_day(settings: Settings, table: str, columns: Sequence[str]) -> pyarrow.Table | None:
    names = ", ".join(("symbol", "metric_date", *columns))
    return lake.query(settings, table, f"select {names} from data order by symbol, metric_date")


def _series(days: pyarrow.Table, indicators: pyarrow.Table) -> dict[str, dict[str, Any]]:
    """Return for each symbol its columns as lists by day, and ``first_day``.

    A symbol has a row for every day, so the first day is enough to know the others.
    """
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
    return base64.b64encode(gzip.compress(text, 6, mtime=0)).decode()


def _symbols(settings: Settings, series: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    columns = """
        symbol, symbol_name, category, is_active, close, change_1d, change_7d, change_30d, volume_30d, rsi_14,
        distance_to_high
    """
    rows = {row["symbol"]: row for row in _rows(settings, "gold.market_overview", f"select {columns} from data")}
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
    columns = "symbol_a, symbol_b, metric_date, correlation_30, correlation_90"
    last_day = "metric_date = (select max(metric_date) from data)"
    rows = _rows(settings, "gold.correlations", f"select {columns} from data where {last_day} order by 1, 2")
    return {
        "as_of": str(rows[0]["metric_date"]) if rows else None,
        "symbols": sorted({row[side] for row in rows for side in ("symbol_a", "symbol_b")}),
        "pairs": [
            [row["symbol_a"], row["symbol_b"], *_rounded((row["correlation_30"], row["correlation_90"]))]
            for row in rows
        ],
    }


def _rows(settings: Settings, table: str, sql: str) -> list[dict[str, Any]]:
    """Return the answer to SQL about a table, which it calls ``data``; times are text that ends at the second."""
    answer = lake.query(settings, table, sql)
    return [
        {name: str(value)[:19] if isinstance(value, datetime) else value for name, value in row.items()}
        for row in (answer.to_pylist() if answer else [])
    ]


def _quality(settings: Settings, series: dict[str, dict[str, Any]]) -> dict[str, Any]:
    counts = row_counts.by_reason(settings)
    kept = counts.get(None, 0)
    means = {row["reason"]: row["description"] for row in _rows(settings, "silver.rejection_reasons", ALL)}
    return {
        "raw": row_counts.of_table(settings, "bronze.trades") or 0,
        "kept": kept,
        "rejected": sum(counts.values()) - kept,
        "reasons": [
            {"reason": reason, "rows": rows, "means": means.get(reason)}
            for reason, rows in sorted(counts.items(), key=lambda item: -item[1])
            if reason is not None
        ],
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
        "set_aside": _rows(settings, "bronze.rejected_files", f"{ALL} order by rejected_at desc limit {LISTED}"),
        "revisions": _revisions(settings),
    }


def _batches(settings: Settings) -> list[dict[str, Any]]:
    """Return what each ingestion landed, newest first, with the number of its late trades.

    A trade is late if an earlier batch had a trade of a later day.
    """
    landed = """
        select batch_id, count(*) as files, sum(row_count) as rows, max(ingestion_timestamp) as landed_at
        from data
        group by batch_id
        order by batch_id
    """
    valid = """
        select batch_id, trade_date, count(*) as rows
        from data
        where reason is null
        group by batch_id, trade_date
    """
    days: dict[int, dict[date, int]] = {}
    for row in _rows(settings, "silver.screened_trades", valid):
        days.setdefault(row["batch_id"], {})[row["trade_date"]] = row["rows"]
    batches, newest = [], date.min
    for row in _rows(settings, "bronze.landed_files", landed):
        counts = days.get(row["batch_id"], {})
        late = sum(rows for day, rows in counts.items() if day < newest)
        newest = max([newest, *counts])
        batches.append(row | {"kept": sum(counts.values()), "late": late})
    return batches[::-1][:LISTED]


def _revisions(settings: Settings) -> dict[str, Any]:
    candles = "select count(*) as rows from data group by symbol, window_start, revised_at"
    totals = f"select coalesce(sum(rows), 0) as total, count(*) as candles from ({candles}) as candles"
    newest = f"{ALL} order by revised_at desc, symbol, window_start desc, column_name limit {LISTED}"
    (found,) = _rows(settings, "gold.candle_revisions", totals) or [{"total": 0, "candles": 0}]
    latest = _rows(settings, "gold.candle_revisions", newest)
    return found | {"latest": [row | {"window_start": row["window_start"][:10]} for row in latest]}


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
        columns_of_log = f"select {', '.join(columns)} from data"
        rows = _rows(settings, "sync.postgres_sync", f"{columns_of_log} order by finished_at desc limit {LISTED}")
    tables = sync.published_tables(settings.project)
    versions = {one.target: delta.version() for one in tables if (delta := lake.table(settings, one.relation))}
    shown = [
        row
        | {
            "checksum": str(row["checksum"]),
            "finished_at": str(row["finished_at"])[:19],
            "seconds": round(row["seconds"], 2),
        }
        for row in rows
    ]
    return {"note": note, "gold_versions": versions, "syncs": shown}


def _read_sync_runs(settings: Settings, columns: list[str]) -> list[dict[str, Any]]:
    import psycopg
    from psycopg.rows import dict_row

    try:
        with postgres.connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("set time zone 'UTC'")
            query = f"select {', '.join(columns)} from crypto.sync_runs"
            query += f" order by finished_at desc, table_name limit {LISTED}"
            return cursor.execute(query).fetchall()  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise CryptoError("crypto.sync_runs can't be read in Postgres.") from error
