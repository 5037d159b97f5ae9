"""The speed of a sync compared with a plain COPY of the same rows, and the memory of its client.

``python -m benchmarks.sync`` generates daily metrics of many symbols in a temporary data home, publishes them to the
embedded Postgres, and prints a Markdown table. Each sync runs in a separate process, so that its memory can be
measured; its time begins with an open Spark session, as in a dbt run that has built the tables.
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
# The values have as many digits as real ones, and low <= open, close <= high, as a check of the table demands.
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
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the largest load")
    parser.add_argument("--chunk-rows", type=int, default=source.CHUNK_ROWS, help="rows in memory at a time")
    parser.add_argument("--home", type=Path, help="data home to use and keep  [default: a temporary one]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder)
        loaded = settings.load({name: "" for name in settings.NAMES} | {"CRYPTO_HOME": str(home.resolve())})
        try:
            for line in report(measure(loaded, arguments.rows, arguments.chunk_rows)):
                print(line)
        finally:
            # Stop the session first: without its engine it would try to reconnect for a long time.
            engine.session(loaded).stop()
            engine.stop(loaded)
            postgres.stop(loaded)


def measure(loaded: settings.Settings, rows: int, chunk_rows: int) -> dict[str, dict[str, float]]:
    """Return for each measurement its rows, seconds, processor seconds and, for a sync, peak memory in MiB."""
    spark = engine.session(loaded)
    place = engine.path(loaded, loaded.warehouse / "benchmark.db")
    spark.sql(f"create schema if not exists benchmark location '{place}'")
    results: dict[str, dict[str, float]] = {}
    for size in (rows // 4, rows):
        spark.sql(f"create or replace table {RELATION} using delta as {ROWS.format(days=DAYS, rows=size)}")
        with postgres.connect(loaded) as connection:
            migrate.migrate(connection)
            connection.execute("truncate crypto.daily_metrics, crypto.sync_runs")
            connection.execute(
                "insert into crypto.symbols (symbol, name, category) "
                "select 'S' || lpad(id::text, 5, '0'), 'x', 'x' from generate_series(0, %s) as ids (id) "
                "on conflict do nothing",
                [size // DAYS],
            )
        results[f"first load of {size:,} rows"] = sync(loaded, chunk_rows)
    with exported(loaded) as file:
        for name, like in (("without keys, indexes and checks", ""), ("of the same keys, indexes and checks", "all")):
            copied = plain_copy(loaded, file, like)
            results[f"plain COPY into a table {name}"] = copied | {"rows": rows}
    spark.sql(f"update {RELATION} set return_1d = 0.5 where pmod(hash(symbol, metric_date), 100) = 0")
    results["1 % of the rows changed"] = sync(loaded, chunk_rows)
    results["nothing changed, first sync of a process"] = sync(loaded, chunk_rows)
    results["nothing changed, second sync of a process"] = sync(loaded, chunk_rows, times=2)
    return results


def sync(loaded: settings.Settings, chunk_rows: int, times: int = 1) -> dict[str, float]:
    """Sync in a new process; return rows written, seconds, processor seconds and the client's peak memory in MiB.

    With several syncs, rows, seconds and the client's processor seconds are those of the last one.
    """
    command = [sys.executable, "-c", f"from benchmarks import sync; sync.client({chunk_rows}, {times})"]
    environment = os.environ | {name: "" for name in settings.NAMES} | {"CRYPTO_HOME": str(loaded.home)}
    servers = server_seconds(loaded)
    done = subprocess.run(command, cwd=loaded.project, env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result | {name: after - servers[name] for name, after in server_seconds(loaded).items()}


def client(chunk_rows: int, times: int) -> None:
    """Do the work of the new process that ``sync`` starts, and print its figures as JSON."""
    source.CHUNK_ROWS = chunk_rows
    loaded = settings.load()
    for _ in range(times):
        started, processor = time.monotonic(), time.process_time()
        (done,) = sync_tables(None, loaded, "benchmark", [TABLE])
        seconds, client_seconds = time.monotonic() - started, time.process_time() - processor
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    rows = done.rows_inserted + done.rows_updated + done.rows_deleted
    print(json.dumps({"rows": rows, "seconds": seconds, "client": client_seconds, "megabytes": peak}))


def server_seconds(loaded: settings.Settings) -> dict[str, float]:
    """Return the processor seconds so far of the engine, and of the Postgres connections that have ended."""
    time.sleep(0.5)
    running = engine.status(loaded)
    assert running
    server = psutil.Process(running.server).cpu_times()
    postmaster = int((loaded.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    ended = psutil.Process(postmaster).cpu_times()
    return {"spark": server.user + server.system, "postgres": ended.children_user + ended.children_system}


@contextmanager
def exported(loaded: settings.Settings) -> Iterator[Path]:
    """Yield a CSV file with the rows of the lake, as a plain COPY reads them."""
    with tempfile.NamedTemporaryFile(suffix=".csv", dir=loaded.home) as file:
        newest = source.newest(None, loaded, TABLE)
        options = pyarrow.csv.WriteOptions(include_header=False)
        for chunk in newest.chunks(list(newest.columns())):
            # Postgres reads times without a zone as UTC, its server's time zone.
            cast = [field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
                    for field in chunk.schema]  # fmt: skip
            pyarrow.csv.write_csv(chunk.cast(pa.schema(cast)), file, options)
        file.flush()
        yield Path(file.name)


def plain_copy(loaded: settings.Settings, file: Path, like: str) -> dict[str, float]:
    """Return the seconds of a COPY of the file into a new table and its commit; ``like`` is what the table includes."""
    with postgres.connect(loaded) as connection:
        including = f"including {like}" if like else ""
        connection.execute(f"create table copied (like crypto.daily_metrics {including})")
        if like:
            connection.execute("alter table copied add foreign key (symbol) references crypto.symbols (symbol)")
    servers = server_seconds(loaded)
    with postgres.connect(loaded) as connection:
        started, processor = time.monotonic(), time.process_time()
        with connection.cursor().copy("copy copied from stdin (format csv)") as copy, file.open("rb") as data:
            while block := data.read(2**18):
                copy.write(block)
        connection.commit()
        seconds, client_seconds = time.monotonic() - started, time.process_time() - processor
    spent = server_seconds(loaded)["postgres"] - servers["postgres"]
    with postgres.connect(loaded) as connection:
        connection.execute("drop table copied")
    return {"seconds": seconds, "client": client_seconds, "postgres": spent}


def report(results: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| what | rows written | seconds | rows/s | processor seconds: client | Postgres | engine | peak memory, MB |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, result in results.items():
        cells = [name, f"{result['rows']:,.0f}", f"{result['seconds']:.2f}"]
        cells += [f"{result['rows'] / result['seconds']:,.0f}" if result["rows"] else ""]
        cells += [f"{result[part]:.1f}" if part in result else "" for part in ("client", "postgres", "spark")]
        cells += [f"{result['megabytes']:,.0f}" if "megabytes" in result else ""]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
