"""The number of rows of the tables, and of the screened trades by reason; counted without the engine."""

from __future__ import annotations

from lakehouse.settings import Settings
from lakehouse.storage import lake

# The tables and views whose rows a run tells.
TOLD = (
    "bronze.trades",
    "silver.trades",
    "silver.rejected_trades",
    "silver.candles_1m",
    "silver.candles_1h",
    "silver.candles_1d",
    "silver.exchange_candles_1d",
    "gold.daily_metrics",
    "gold.trading_indicators",
    "gold.correlations",
)
# As macro largest_amount.
LARGEST_AMOUNT = "9999999999999999999999.9999999999999999"


def of_table(settings: Settings, name: str) -> int | None:
    """Return the number of rows of a Delta table, which its log knows; None if there is no table."""
    found = lake.table(settings, name)
    return found.count() if found else None


def by_reason(settings: Settings) -> dict[str | None, int]:
    """Return the number of screened trades by reason; None is the reason of those that count."""
    query = "select reason, count(*) as rows from data group by reason"
    counts = lake.query(settings, "silver.screened_trades", query)
    return {row["reason"]: row["rows"] for row in (counts.to_pylist() if counts else [])}


def by_table(settings: Settings, reasons: dict[str | None, int]) -> dict[str, int]:
    """Return the number of rows of each table and view in TOLD that exists, given what `by_reason` returned."""
    counts = {name: of_table(settings, name) for name in TOLD}
    kept = reasons.get(None, 0)
    counts |= {"silver.trades": kept, "silver.rejected_trades": sum(reasons.values()) - kept}
    return {name: rows for name, rows in counts.items() if rows is not None}


def beyond_type(settings: Settings) -> int:
    """Return the number of daily candles whose quote volume stops at the largest value of its type."""
    query = f"select 1 from data where quote_volume = cast('{LARGEST_AMOUNT}' as decimal(38, 16))"
    return len(lake.query(settings, "silver.candles_1d", query) or ())
