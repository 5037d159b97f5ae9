"""The job of plain_spark.py in DuckDB, from raw files to candles, without tests or guarantees.

``python -m benchmarks.plain_duckdb LANDING FOLDER`` prints the seconds.
"""

import sys
import time
from pathlib import Path

import duckdb

CANDLES = """
    select
        {keys}, time_bucket(interval '{interval}', traded_at) as window_start,
        arg_min(price, traded_at) as open, max(price) as high, min(price) as low, arg_max(price, traded_at) as close,
        sum(volume) as volume, sum(volume) filter (where trade_type = 'BUY') as buy_volume,
        sum(quote_volume) as quote_volume, count(*) as trade_count
    from trades
    group by all
"""


def main(landing: str, folder: str) -> None:
    """Run the job once."""
    started = time.perf_counter()
    Path(folder).mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(f"{folder}/plain.duckdb", config={"threads": 2})
    connection.sql("set timezone = 'UTC'")
    connection.sql(f"""
        create or replace table trades as
        select distinct on (trade_id)
            trade_id, symbol, exchange, trade_type, price::decimal(18, 8) as price, volume::decimal(18, 8) as volume,
            price::decimal(19, 8) * volume::decimal(19, 8) as quote_volume,
            "timestamp" as traded_at, user_id
        from read_parquet('{landing}/**/*.parquet')
        where price > 0 and volume > 0 and symbol in ('BTC', 'ETH', 'SOL', 'MATIC', 'AVAX')
    """)
    for name, keys, interval in (
        ("candles_1m", "symbol", "1 minute"),
        ("candles_1h", "symbol", "1 hour"),
        ("candles_1d", "symbol", "1 day"),
        ("exchange_candles_1d", "symbol, exchange", "1 day"),
    ):
        connection.sql(f"create or replace table {name} as {CANDLES.format(keys=keys, interval=interval)}")
    print(f"{time.perf_counter() - started:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
