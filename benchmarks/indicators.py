"""Indicators on long series, the hours and minutes of a year, compared with TA-Lib and pandas.

``python -m benchmarks.indicators`` prints a Markdown table. The macros run in the engine of the data home, on Parquet
files in a temporary folder; TA-Lib and pandas run in this process, on the same closes in memory.
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
    """Return the SQL that computes ema, rsi, macd and its signal on a relation with (symbol, bars_seen, close)."""
    files = [path for part in ("numbers", "indicators") for path in sorted((PROJECT / "macros" / part).glob("*.sql"))]
    macros = "".join(path.read_text() for path in files)
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(macros + QUERY).render(bars=bars)


def closes(bars: int) -> np.ndarray:
    """Return a random price path of shape (bars,), the same in every run."""
    return 100 * np.exp(np.cumsum(np.random.default_rng(bars).normal(0, 0.001, bars)))


def of_talib(close: np.ndarray) -> dict[str, np.ndarray]:
    """Return the same four indicators from TA-Lib, each of the shape of ``close``.

    As in the macros, macd is the difference of two EMAs; TA-Lib's own MACD aligns the seeds of the two.
    """
    macd = talib.EMA(close, 12) - talib.EMA(close, 26)
    signal = np.full(len(close), np.nan)
    signal[25:] = talib.EMA(macd[25:], 9)
    return {"ema_12": talib.EMA(close, 12), "rsi_14": talib.RSI(close, 14), "macd": macd, "macd_signal": signal}


def of_pandas(close: np.ndarray) -> dict[str, pd.Series]:
    """Return the indicators as they are usually computed in pandas, with averages that start from the first value."""
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


def best(function: Callable[[], object], times: int = 3) -> float:
    """Return the seconds of the fastest of several calls."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def measure(spark, bars: int) -> dict[str, float]:
    """Return the seconds for a series of ``bars`` closes, and ``off``, the largest relative difference from TA-Lib."""
    close = closes(bars)
    with tempfile.TemporaryDirectory() as folder:
        rows = pa.table({"symbol": pa.array(["BTC"] * bars), "bars_seen": np.arange(1, bars + 1), "close": close})
        pq.write_table(rows, f"{folder}/bars.parquet")
        frame = spark.sql(query(f"parquet.`{folder}/bars.parquet`"))
        seconds = best(lambda: frame.write.format("noop").mode("overwrite").save())
        values = frame.toPandas().sort_values("bars_seen")
    expected = of_talib(close)
    off = max(
        np.nanmax(np.abs(values[name].to_numpy() - column) / np.maximum(np.abs(column), 1e-3))
        for name, column in expected.items()
    )
    return {
        "bars": bars,
        "macros": seconds,
        "talib": best(lambda: of_talib(close)),
        "pandas": best(lambda: of_pandas(close)),
        "off": float(off),
    }


@click.command()
@click.option("--bars", multiple=True, type=int, help="Length of a series; can be repeated.")
def main(bars: tuple[int, ...]) -> None:
    """Measure ema, rsi, macd and its signal line on series of up to a year of minutes."""
    spark = engine.session(settings.load())
    measure(spark, 1_000)
    print("| bars | macros in Sail, s | per 100,000 bars, s | TA-Lib, s | pandas, s | farthest from TA-Lib |")
    print("|---|---|---|---|---|---|")
    for length in bars or BARS:
        figures = measure(spark, length)
        print(
            f"| {length:,} | {figures['macros']:.2f} | {figures['macros'] / length * 1e5:.2f} "
            f"| {figures['talib']:.3f} | {figures['pandas']:.3f} | {figures['off']:.0e} |"
        )


if __name__ == "__main__":
    main()
