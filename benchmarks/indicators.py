"""Indicators on long series: hours and minutes of a year, beside TA-Lib and pandas in the same run.

``python -m benchmarks.indicators`` prints a table in Markdown. The macros run in the engine of the data home, over
Parquet in a temporary folder; TA-Lib and pandas run in this process, over the same closes in memory.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import jinja2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import talib

from lakehouse import engine, settings

PROJECT = Path(__file__).resolve().parents[1]
YEAR_OF_HOURS, YEAR_OF_MINUTES = 8_760, 525_600
BARS = (YEAR_OF_HOURS, YEAR_OF_MINUTES // 4, YEAR_OF_MINUTES // 2, YEAR_OF_MINUTES)
QUERY = """
with changes as (
    select *, close - lag(close) over (partition by symbol order by bars_seen) as change from {{ bars }}
),

averages as (
    select
        *,
        {{ ema('close', 12) }} as ema_12,
        {{ rsi('change', 14) }} as rsi_14,
        {{ macd('close') }} as macd
    from changes
)

select bars_seen, ema_12, rsi_14, macd, {{ ema('macd', 9, first=26) }} as macd_signal from averages
"""


def query(bars: str) -> str:
    """Return the SQL of ema, rsi, macd and its signal over a relation of (symbol, bars_seen, close)."""
    files = [path for part in ("numbers", "indicators") for path in sorted((PROJECT / "macros" / part).glob("*.sql"))]
    macros = "".join(path.read_text() for path in files)
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(macros + QUERY).render(bars=bars)


def closes(bars: int) -> np.ndarray:
    """Return a price path of that many bars, the same in every run."""
    return 100 * np.exp(np.cumsum(np.random.default_rng(bars).normal(0, 0.001, bars)))


def of_talib(close: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the same four with TA-Lib; macd from its EMAs, as ours (its MACD aligns the two seeds)."""
    macd = talib.EMA(close, 12) - talib.EMA(close, 26)
    signal = np.full(len(close), np.nan)
    signal[25:] = talib.EMA(macd[25:], 9)
    return {"ema_12": talib.EMA(close, 12), "rsi_14": talib.RSI(close, 14), "macd": macd, "macd_signal": signal}


def of_pandas(close: np.ndarray) -> dict[str, pd.Series]:
    """Compute the usual pandas version, whose averages start from the first value."""
    series = pd.Series(close)
    change = series.diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change.clip(upper=0)).ewm(alpha=1 / 14, adjust=False).mean()
    macd = series.ewm(span=12, adjust=False).mean() - series.ewm(span=26, adjust=False).mean()
    return {
        "ema_12": series.ewm(span=12, adjust=False).mean(),
        "rsi_14": 100 - 100 / (1 + gain / loss),
        "macd": macd,
        "macd_signal": macd.ewm(span=9, adjust=False).mean(),
    }


def best(work: Callable[[], object], times: int = 3) -> float:
    """Return the shortest of several runs, in seconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def measure(spark, bars: int) -> dict[str, float]:
    """Time one length of series, and compare its values with TA-Lib's."""
    close = closes(bars)
    with tempfile.TemporaryDirectory() as folder:
        rows = pa.table({"symbol": pa.array(["BTC"] * bars), "bars_seen": np.arange(1, bars + 1), "close": close})
        pq.write_table(rows, f"{folder}/bars.parquet")
        frame = spark.sql(query(f"parquet.`{folder}/bars.parquet`"))
        seconds = best(lambda: frame.write.format("noop").mode("overwrite").save())
        found = frame.toPandas().sort_values("bars_seen")
    wanted = of_talib(close)
    off = max(
        np.nanmax(np.abs(found[name].to_numpy() - values) / np.maximum(np.abs(values), 1e-3))
        for name, values in wanted.items()
    )
    return {
        "bars": bars,
        "macros": seconds,
        "talib": best(lambda: of_talib(close)),
        "pandas": best(lambda: of_pandas(close)),
        "off": float(off),
    }


@click.command()
@click.option("--bars", multiple=True, type=int, help="Length of a series; several times for several.")
def main(bars: tuple[int, ...]) -> None:
    """Time ema, rsi, macd and its signal line on series of a year."""
    spark = engine.session(settings.load())
    measure(spark, 1_000)
    print("| bars | macros in Spark, s | per 100,000 bars, s | TA-Lib, s | pandas, s | farthest from TA-Lib |")
    print("|---|---|---|---|---|---|")
    for length in bars or BARS:
        found = measure(spark, length)
        print(
            f"| {length:,} | {found['macros']:.2f} | {found['macros'] / length * 1e5:.2f} "
            f"| {found['talib']:.3f} | {found['pandas']:.3f} | {found['off']:.0e} |"
        )


if __name__ == "__main__":
    main()
