"""``crypto verify``: check that the tables do not depend on the order in which the trades arrived.

Every row of ``bronze.trades`` is landed again in a scratch home, with its recorded times, in a random order: the files
are cut into pieces, shuffled and divided into several batches, with a ``dbt run`` after each batch. Withdrawn files are
made known only with the last batch. Then each silver and gold table is compared with the live one, value for value.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion import bronze
from lakehouse import engine
from lakehouse.errors import CryptoError
from lakehouse.settings import SAIL, SPARK, Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Say = Callable[[str], None]
REFERENCE = ("symbols", "exchanges", "withdrawn_files")
# Columns that depend on the order of arrival, and so are not compared.
LINEAGE = {"batch_id", "revision"}
# Tables that record the changes between runs, and so depend on the order of arrival.
HISTORY = {"candle_revisions"}
EXAMPLES = 3
# Largest difference of gold's doubles between two engines, relative to the larger of the value and 1, and
# for differences of prices to the prices of the row: the close can be far below the averages that are subtracted.
TOLERANCE = 1e-12
PRICE_DIFFERENCES = {"macd", "macd_signal", "macd_histogram", "atr_14"}
PRICES = ("close", "ema_12", "ema_26")
# How the engines name themselves in the commits of a Delta log.
WRITERS = {"sail-delta-lake": SAIL, "Apache-Spark": SPARK}
# Name of the link in the scratch home that points to the live warehouse.
LIVE = "live"


@dataclass(frozen=True)
class Difference:
    """A table that the replay did not reproduce: the number of keys that differ, and examples as text."""

    table: str
    keys: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A piece of a landed file: the rows whose ``source_row``, divided by ``pieces``, leaves the remainder ``rest``."""

    source_file: str
    rest: int
    pieces: int


def verify(settings: Settings, kind: str, seed: int, batches: int, say: Say) -> list[Difference]:
    """Replay the trades in the random order of ``seed``; return the tables that differ from the live ones.

    ``kind`` is the engine of the replay, `sail` or `spark`; ``say`` receives lines of progress. The engines compute
    logarithms and powers with different libraries, so gold's doubles may differ by TOLERANCE from those that the other
    engine has written; all other values must be equal.

    Raise CryptoError if nothing has landed yet or the replay itself fails.
    """
    files = _landed(settings)
    plan = deal(files, seed, batches)
    with _scratch(settings, kind) as (scratch, spark):
        bronze.create_tables(spark, "bronze")
        for number, pieces in enumerate(plan, start=1):
            _copy_reference(spark, scratch, withdrawals=number == len(plan))
            _land(spark, scratch, number, pieces)
            say(f"Batch {number} of {len(plan)}: {len(pieces):,} pieces of {len(files):,} files; building ...")
            tables = _build(scratch)
        differences = (
            _compare(spark, scratch, table, key, tolerant=bool(_writers(settings, table) - {kind}))
            for table, key in tables
        )
        return [difference for difference in differences if difference]


def deal(files: list[str], seed: int, batches: int) -> list[list[Piece]]:
    """Return batches of pieces: each file in one to three pieces, shuffled; a batch can be empty."""
    generator = random.Random(seed)
    pieces = []
    for file in sorted(files):
        count = generator.randint(1, 3)
        pieces += [Piece(file, rest, count) for rest in range(count)]
    generator.shuffle(pieces)
    cuts = sorted(generator.randint(0, len(pieces)) for _ in range(batches - 1))
    return [pieces[start:end] for start, end in zip([0, *cuts], [*cuts, len(pieces)], strict=True)]


def _landed(settings: Settings) -> list[str]:
    ledger = lake.table(settings, "bronze.landed_files")
    rows = ledger.to_pyarrow_table(columns=["source_file", "row_count"]).to_pylist() if ledger else []
    if not rows or lake.table(settings, "gold.daily_metrics") is None:
        trades = "run `crypto run` first." if ledger is None else settings.no_trades
        raise CryptoError(f"There is nothing to verify yet; {trades}")
    return [row["source_file"] for row in rows if row["row_count"]]


@contextmanager
def _scratch(settings: Settings, kind: str) -> Iterator[tuple[Settings, SparkSession]]:
    """Yield settings and session of a scratch home; remove it and stop its engine afterwards."""
    home = Path(tempfile.mkdtemp(prefix="verify-", dir=settings.home))
    scratch = replace(settings, home=home, engine=kind, raw_bucket=None, processed_bucket=None, analytics_bucket=None)
    (home / LIVE).symlink_to(settings.warehouse, target_is_directory=True)
    try:
        spark = engine.session(scratch)
        try:
            yield scratch, spark
        finally:
            # Stop the session first: without its engine it would try to reconnect when Python exits.
            spark.stop()
    finally:
        engine.stop(scratch)
        shutil.rmtree(home, ignore_errors=True)


def _live(scratch: Settings, schema: str, table: str) -> str:
    return f"delta.`{engine.path(scratch, scratch.home / LIVE)}/{schema}.db/{table}`"


def _copy_reference(spark: SparkSession, scratch: Settings, *, withdrawals: bool) -> None:
    for table in REFERENCE if withdrawals else REFERENCE[:2]:
        spark.sql(f"insert overwrite bronze.{table} select * from {_live(scratch, 'bronze', table)}")


def _land(spark: SparkSession, scratch: Settings, number: int, pieces: list[Piece]) -> None:
    from pyspark.sql import functions as f

    chosen = spark.createDataFrame(
        [(piece.source_file, piece.rest, piece.pieces) for piece in pieces],
        "source_file string, rest int, pieces int",
    )
    trades = spark.table(_live(scratch, "bronze", "trades"))
    rows = trades.join(chosen, "source_file").where("source_row % pieces = rest").drop("rest", "pieces")
    rows.withColumn("batch_id", f.lit(number).cast("bigint")).select(*bronze.TABLES["trades"].names).write.mode(
        "append"
    ).saveAsTable("bronze.trades")


def _build(scratch: Settings) -> list[tuple[str, list[str]]]:
    """Build silver and gold with a plain ``dbt run``; return the name and the key columns of each table."""
    target = scratch.home / "dbt"
    command = [str(Path(sys.prefix) / "bin" / "dbt"), "--quiet", "run", "--select", "silver", "gold"]
    command += [
        "--project-dir",
        str(scratch.project),
        "--profiles-dir",
        str(scratch.project),
        "--target",
        scratch.target,
    ]
    command += ["--target-path", str(target), "--log-path", str(target)]
    environment = os.environ | {"CRYPTO_HOME": str(scratch.home), "RAW_BUCKET": ""}
    environment |= {"PROCESSED_BUCKET": "", "ANALYTICS_BUCKET": ""}
    done = subprocess.run(command, cwd=scratch.project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise CryptoError(f"The replay could not be built; dbt reported: {lines[-1].strip()}")
    nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
    return sorted(
        (f"{node['schema']}.{node['name']}", node["config"]["unique_key"])
        for node in nodes
        if node["config"]["materialized"] == "keyed_table" and node["name"] not in HISTORY
    )


def _writers(settings: Settings, table: str) -> set[str]:
    """Return the engines that have written a live table, as far back as its log goes."""
    found = lake.table(settings, table)
    commits = found.history() if found else []
    names = {commit.get("engineInfo", "").split(":")[0].split("/")[0] for commit in commits}
    return {WRITERS[name] for name in names if name in WRITERS}


def _compare(
    spark: SparkSession, scratch: Settings, table: str, key: list[str], *, tolerant: bool
) -> Difference | None:
    """Compare a table with the live one by its key; return None if all values are equal.

    If ``tolerant``, gold's doubles may differ by TOLERANCE.
    """
    schema, name = table.split(".")
    columns = [column for column in spark.table(table).columns if column not in LINEAGE]
    values = [column for column in columns if column not in key]
    on = " and ".join(f"live.{column} <=> replay.{column}" for column in key)
    types = dict(spark.table(table).dtypes)
    tolerant = tolerant and schema == "gold"
    differs = " or ".join(_differs(column, tolerant and types[column] == "double") for column in values)
    rows = spark.sql(
        f"""
        select struct(live.*) as live, struct(replay.*) as replay, count(*) over () as keys
        from (select {", ".join(columns)}, true as here from {_live(scratch, schema, name)}) as live
        full outer join (select {", ".join(columns)}, true as here from {table}) as replay on {on}
        where live.here is null or replay.here is null or {differs or "false"}
        order by {", ".join(f"coalesce(live.{column}, replay.{column})" for column in key)}
        limit {EXAMPLES}
        """
    ).collect()
    if not rows:
        return None
    return Difference(table, rows[0].keys, tuple(_describe(row.live, row.replay, key, values) for row in rows))


def _differs(column: str, tolerant: bool) -> str:
    distinct = f"live.{column} is distinct from replay.{column}"
    if not tolerant:
        return distinct
    distance = f"abs(live.{column} - replay.{column})"
    scales = [column, *(PRICES if column in PRICE_DIFFERENCES else ())]
    allowed = f"{TOLERANCE}d * greatest(1d, {', '.join(f'abs(live.{scale})' for scale in scales)})"
    return f"({distinct} and not coalesce({distance} <= {allowed}, false))"


def _describe(live: Any, replay: Any, key: list[str], values: list[str]) -> str:
    row = live if live.here else replay
    key_text = ", ".join(f"{column}={row[column]}" for column in key)
    if not (live.here and replay.here):
        return f"{key_text}: only {'in the live table' if live.here else 'in the replay'}"
    column = max(
        (column for column in values if live[column] != replay[column]),
        key=lambda column: _distance(live[column], replay[column]),
    )
    return f"{key_text}: {column} is {live[column]}, the replay gives {replay[column]}"


def _distance(one: Any, other: Any) -> float:
    """Return the relative distance of two floats, and infinity for other values."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(abs(one), abs(other))
    return float("inf")
