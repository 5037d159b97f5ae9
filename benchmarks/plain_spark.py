"""A simple PySpark job for comparison, from raw files to candles and indicators, without tests or guarantees.

It reads all files, drops repeated ids (an arbitrary copy stays), groups trades to candles, computes indicators with
window functions and overwrites its tables. So every run processes all data, also if only little of it is new.

``python -m benchmarks.plain_spark LANDING WAREHOUSE`` prints the seconds from the first read to the last write, without
the start of Java.
"""

import sys
import time

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

SYMBOLS = ("BTC", "ETH", "SOL", "MATIC", "AVAX")


def main(landing: str, warehouse: str) -> None:
    """Run the job once."""
    spark = session(warehouse)
    started = time.perf_counter()
    job(spark, landing)
    print(f"{time.perf_counter() - started:.2f}")


def session(warehouse: str) -> SparkSession:
    """Return a Spark session with Delta and reasonable settings."""
    from lakehouse.engine import jars

    conf = {
        "spark.jars": ",".join(map(str, jars.delta_jars())),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": warehouse,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.driver.memory": "3g",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in conf.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def job(spark: SparkSession, landing: str) -> None:
    """Write trades, candles of three intervals and per exchange, daily metrics and indicators."""
    raw = spark.read.parquet(landing)
    price, volume = f.col("price").cast("decimal(18,8)"), f.col("volume").cast("decimal(18,8)")
    valid = raw.where((price > 0) & (volume > 0) & f.col("symbol").isin(*SYMBOLS))
    trades = valid.dropDuplicates(["trade_id"]).select(
        "trade_id",
        "symbol",
        "exchange",
        "trade_type",
        price.alias("price"),
        volume.alias("volume"),
        (price * volume).alias("quote_volume"),
        f.col("timestamp").alias("traded_at"),
        "user_id",
    )
    write(trades, "trades")
    trades = spark.table("plain_trades")
    for name, interval in (("candles_1m", "1 minute"), ("candles_1h", "1 hour"), ("candles_1d", "1 day")):
        write(candles(trades, ["symbol"], interval), name)
    write(candles(trades, ["symbol", "exchange"], "1 day"), "exchange_candles_1d")
    write(indicators(spark.table("plain_candles_1d")), "indicators")


def candles(trades, keys: list[str], interval: str):
    """Return candles of trades. If several trades have the same time, any of them can be the open or the close."""
    window = f.window("traded_at", interval)["start"].alias("window_start")
    return trades.groupBy(*keys, window).agg(
        f.min_by("price", "traded_at").alias("open"),
        f.max("price").alias("high"),
        f.min("price").alias("low"),
        f.max_by("price", "traded_at").alias("close"),
        f.sum("volume").alias("volume"),
        f.sum(f.when(f.col("trade_type") == "BUY", f.col("volume"))).alias("buy_volume"),
        f.sum("quote_volume").alias("quote_volume"),
        f.count("*").alias("trade_count"),
    )


def indicators(days):
    """Add moving averages, and the RSI with simple means (Cutler's), which such jobs often use."""
    by_day = Window.partitionBy("symbol").orderBy("window_start")
    close = f.col("close").cast("double")
    frame = days.withColumn("change", close - f.lag(close).over(by_day))
    for bars in (7, 30, 200):
        frame = frame.withColumn(f"sma_{bars}", f.avg(close).over(by_day.rowsBetween(1 - bars, 0)))
    last_14 = by_day.rowsBetween(-13, 0)
    gain = f.avg(f.greatest("change", f.lit(0.0))).over(last_14)
    loss = f.avg(f.greatest(-f.col("change"), f.lit(0.0))).over(last_14)
    return frame.withColumn("rsi_14", f.try_divide(100 * gain, gain + loss))


def write(frame, name: str) -> None:
    """Overwrite a Delta table."""
    frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(f"plain_{name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
