"""How fast a sync is beside a plain COPY of the same rows, and how much memory its client takes.

``python -m benchmarks.sync`` makes daily metrics of many symbols in a data home of its own, publishes them to the
embedded Postgres, and prints a table in Markdown. Each sync is in a process of its own, so that its memory is its own;
timed is the sync alone, from an open session on, as a dbt run that has built the tables meets it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.csv

from lakehouse import engine, postgres, settings
from lakehouse.postgres import migrate
from lakehouse.sync import Table, source, sync_tables

DAYS = 2_000
RELATION = "benchmark.daily_metrics"
TABLE = Table(RELATION, "daily_metrics", ("symbol", "metric_date"))
# Values of as many digits as real ones; a day's prices keep the order that the table checks.
ROWS = """
    select
        concat('S', lpad(cast(id div {days} as string), 5, '0')) as symbol,
        date_add(date'2020-01-01', cast(id % {days} as int)) as metric_date,
        'A symbol of the benchmark' as symbol_name,
        cast(price as decimal(18,8)) as open,
        cast(price * 1.031 as decimal(18,8)) as high,
        cast(price * 0.972 as decimal(18,8)) as low,
        cast(price * 1.004 as decimal(18,8)) as close,
        cast(amount as decimal(28,8)) as volume,
        cast(amount as decimal(28,8)) as buy_volume,
        cast(0 as decimal(28,8)) as sell_volume,
        cast(price * amount as decimal(38,16)) as quote_volume,
        price * 1.0017 as vwap,
        cast(100 + id % 900 as bigint) as trade_count,
        timestamp_micros(1577836800000000 + (id % {days}) * 86400000000 + id % 1000) as first_trade_at,
        timestamp_micros(1577923199000000 + (id % {days}) * 86400000000 + id % 1000) as last_trade_at,
        false as is_filled,
        true as is_complete,
        if(id % {days} = 0, null, sin(id) / 10) as return_1d
    from (
        select id, 1000 + 900 * sin(id / 7) as price, 50 + 40 * cos(id / 11) as amount from range({rows})
    )
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the largest load")
    parser.add_argument("--chunk-rows", type=int, default=source.CHUNK_ROWS, help="rows in memory at a time")
    parser.add_argument("--home", type=Path, help="data home to use and keep  [default: one that is removed]")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder)
        found = settings.load({name: "" for name in settings.NAMES} | {"CRYPTO_HOME": str(home.resolve())})
        try:
            for line in report(measure(found, given.rows, given.chunk_rows)):
                print(line)
        finally:
            # Its end would wait long for an engine that is gone.
            engine.session(found).stop()
            engine.stop(found)
            postgres.stop(found)


def measure(found: settings.Settings, rows: int, chunk_rows: int) -> dict[str, dict[str, float]]:
    """Return rows, seconds, processor seconds and a sync's peak memory in MB, by what was measured."""
    spark = engine.session(found)
    spark.sql("create schema if not exists benchmark")
    results: dict[str, dict[str, float]] = {}
    for size in (rows // 4, rows):
        spark.sql(f"create or replace table {RELATION} using delta as {ROWS.format(days=DAYS, rows=size)}")
        with postgres.connect(found) as connection:
            migrate.migrate(connection)
            connection.execute("truncate crypto.daily_metrics, crypto.sync_runs")
            connection.execute(
                "insert into crypto.symbols (symbol, name, category) "
                "select 'S' || lpad(id::text, 5, '0'), 'x', 'x' from generate_series(0, %s) as ids (id) "
                "on conflict do nothing",
                [size // DAYS],
            )
        results[f"first load of {size:,} rows"] = sync(found, chunk_rows)
    with exported(found) as file:
        for name, like in (("without keys, indexes and checks", ""), ("of the same keys, indexes and checks", "all")):
            copied = plain_copy(found, file, like)
            results[f"plain COPY into a table {name}"] = copied | {"rows": rows}
    spark.sql(f"update {RELATION} set return_1d = 0.5 where pmod(hash(symbol, metric_date), 100) = 0")
    results["1 % of the rows changed"] = sync(found, chunk_rows)
    results["nothing changed, first sync of a process"] = sync(found, chunk_rows)
    results["nothing changed, second sync of a process"] = sync(found, chunk_rows, times=2)
    return results


def sync(found: settings.Settings, chunk_rows: int, times: int = 1) -> dict[str, float]:
    """Publish in a process of its own; return rows written, seconds, processor seconds and peak memory in MB.

    Of several syncs it is the last one's rows, seconds and the client's processor seconds.
    """
    command = [sys.executable, "-c", f"from benchmarks import sync; sync.client({chunk_rows}, {times})"]
    environment = os.environ | {name: "" for name in settings.NAMES} | {"CRYPTO_HOME": str(found.home)}
    servers = server_seconds(found)
    done = subprocess.run(command, cwd=found.project, env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result | {name: after - servers[name] for name, after in server_seconds(found).items()}


def client(chunk_rows: int, times: int) -> None:
    """Be that process."""
    source.CHUNK_ROWS = chunk_rows
    found = settings.load()
    spark = engine.session(found)
    for _ in range(times):
        started, processor = time.monotonic(), time.process_time()
        (done,) = sync_tables(spark, found, "benchmark", [TABLE])
        seconds, client_seconds = time.monotonic() - started, time.process_time() - processor
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    rows = done.rows_inserted + done.rows_updated + done.rows_deleted
    print(json.dumps({"rows": rows, "seconds": seconds, "client": client_seconds, "megabytes": peak}))


def server_seconds(found: settings.Settings) -> dict[str, float]:
    """Processor seconds so far of Spark and of Postgres' connections that have ended."""
    time.sleep(0.5)
    running = engine.status(found)
    assert running
    server = psutil.Process(running.server).cpu_times()
    postmaster = int((found.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    ended = psutil.Process(postmaster).cpu_times()
    return {"spark": server.user + server.system, "postgres": ended.children_user + ended.children_system}


@contextmanager
def exported(found: settings.Settings) -> Iterator[Path]:
    """The lake's rows as a CSV file, as a plain COPY reads them."""
    with tempfile.NamedTemporaryFile(suffix=".csv", dir=found.home) as file:
        newest = source.newest(engine.session(found), TABLE)
        options = pyarrow.csv.WriteOptions(include_header=False)
        for chunk in newest.chunks(list(newest.columns())):
            # pyarrow writes no zone where there is none: the server's is UTC.
            cast = [field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
                    for field in chunk.schema]  # fmt: skip
            pyarrow.csv.write_csv(chunk.cast(pa.schema(cast)), file, options)
        file.flush()
        yield Path(file.name)


def plain_copy(found: settings.Settings, file: Path, like: str) -> dict[str, float]:
    """Seconds of a COPY of the file into a new table, and its commit."""
    with postgres.connect(found) as connection:
        including = f"including {like}" if like else ""
        connection.execute(f"create table copied (like crypto.daily_metrics {including})")
        if like:
            connection.execute("alter table copied add foreign key (symbol) references crypto.symbols (symbol)")
    servers = server_seconds(found)
    with postgres.connect(found) as connection:
        started, processor = time.monotonic(), time.process_time()
        with connection.cursor().copy("copy copied from stdin (format csv)") as copy, file.open("rb") as data:
            while block := data.read(2**18):
                copy.write(block)
        connection.commit()
        seconds, client_seconds = time.monotonic() - started, time.process_time() - processor
    spent = server_seconds(found)["postgres"] - servers["postgres"]
    with postgres.connect(found) as connection:
        connection.execute("drop table copied")
    return {"seconds": seconds, "client": client_seconds, "postgres": spent}


def report(results: dict[str, dict[str, float]]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield "| what | rows written | seconds | rows/s | processor seconds: client | Postgres | Spark | peak memory, MB |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, result in results.items():
        cells = [name, f"{result['rows']:,.0f}", f"{result['seconds']:.2f}"]
        cells += [f"{result['rows'] / result['seconds']:,.0f}" if result["rows"] else ""]
        cells += [f"{result[part]:.1f}" if part in result else "" for part in ("client", "postgres", "spark")]
        cells += [f"{result['megabytes']:,.0f}" if "megabytes" in result else ""]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
