"""Raw trades land in ``bronze.trades``, each file exactly once; a ledger remembers which.

Three rules carry that promise. An append to ``bronze.trades`` bears the number of its batch as Delta's
``txnVersion``, so that of two appends with one number only the first counts, be the second a retry or the
ghost of a killed client. The ledger is written after the append, from what the table really holds. And
every run first compares the two, and completes the ledger where a kill came between.
"""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingestion import buckets, landing_zone, staging
from ingestion.errors import CryptoError
from ingestion.landing_zone import RawFile, first_line
from ingestion.settings import Settings
from ingestion.staging import TIME, Batch, SetAside

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Row = dict[str, Any]

TABLES = {
    "trades": staging.SCHEMA,
    "landed_files": pa.schema(
        {
            "source_file": pa.string(),
            "file_size": pa.int64(),
            "file_modified_at": TIME,
            "row_count": pa.int64(),
            "batch_id": pa.int64(),
            "ingestion_timestamp": TIME,
        }
    ),
    "rejected_files": pa.schema(
        {
            "source_file": pa.string(),
            "reason": pa.string(),
            "detail": pa.string(),
            "file_modified_at": TIME,
            "rejected_at": TIME,
            "batch_id": pa.int64(),
            "file_size": pa.int64(),
        }
    ),
    "symbols": pa.schema(
        {"symbol": pa.string(), "name": pa.string(), "category": pa.string(), "is_active": pa.bool_()}
    ),
    "exchanges": pa.schema(
        {"exchange": pa.string(), "name": pa.string(), "country": pa.string(), "website": pa.string()}
    ),
    "withdrawn_files": pa.schema({"source_file": pa.string(), "reason": pa.string(), "withdrawn_at": TIME}),
}
SQL_TYPES = {
    pa.string(): "string",
    pa.float64(): "double",
    pa.int64(): "bigint",
    pa.bool_(): "boolean",
    TIME: "timestamp",
}
TXN_APP = "crypto-lakehouse-bronze"
ROUNDS = 5
# The statement of a killed client may still read its staged files, but not for so long.
STALE_SECONDS = 3600


@dataclass(frozen=True)
class Landed:
    """What one ingestion did.

    ``batch_id`` is None if no file landed; ``files`` has the rows of each file that did. ``waiting`` files
    were set aside by an earlier run and are as they were; ``changed`` files are no longer what landed.
    """

    batch_id: int | None
    files: Mapping[str, int]
    set_aside: Mapping[str, SetAside]
    waiting: tuple[str, ...]
    changed: tuple[str, ...]
    is_empty_zone: bool = False

    @property
    def rows(self) -> int:
        """The number of rows that landed."""
        return sum(self.files.values())


@dataclass(frozen=True)
class State:
    """What bronze holds: the ledger and the files set aside, by path, and the last batch of the trades."""

    landed: Mapping[str, Row]
    rejected: Mapping[str, Row]
    last_batch: int


def ingest(
    spark: SparkSession,
    settings: Settings,
    *,
    schema: str = "bronze",
    zone: landing_zone.LandingZone | None = None,
    seen: Callable[[str, int], None] | None = None,
) -> Landed:
    """Land all new raw files in ``<schema>.trades`` and say what happened; ``seen`` is told each file and its rows.

    The files are those of ``zone``, by default the settings' landing zone.
    Creates the bronze tables that are missing; writes nothing if no file is new. Safe to kill at any
    point and to run twice at once. Raises CryptoError if the landing zone, the data home or the engine fails.
    """
    from pyspark.errors import PySparkException

    zone = zone or landing_zone.of(settings)
    listed = {file.path: file for file in zone.files()}
    try:
        return _ingest(spark, settings, zone, listed, schema=schema, seen=seen)
    except PySparkException as error:
        why = buckets.explain(str(error))
        raise CryptoError(
            why or f"The engine failed while files were landing ({first_line(error)}); run it again."
        ) from error


def said(landed: Landed) -> Iterator[str]:
    """Yield sentences: what landed, what was set aside, and what has changed since it landed."""
    if landed.is_empty_zone:
        yield "The landing zone is empty; put *.parquet files there, or run `crypto generate`."
    elif not landed.files:
        yield "No new file has landed."
    else:
        yield f"Landed {len(landed.files):,} files with {landed.rows:,} rows as batch {landed.batch_id}."
    for path, why in landed.set_aside.items():
        yield f"Set aside {path}: {why.reason} ({why.detail})."
    if landed.waiting:
        yield f"{len(landed.waiting):,} files stay set aside as they were; see bronze.rejected_files."
    for path in landed.changed:
        yield f"{path} has changed since it landed; withdraw it and land it under another name."


def create_tables(spark: SparkSession, schema: str) -> None:
    """Create the bronze tables that are missing."""
    # They are created in this order: the last one tells that all are there.
    if spark.catalog.tableExists(f"{schema}.{list(TABLES)[-1]}"):
        return
    # Who may not make a schema may still use one that is there.
    if not spark.catalog.databaseExists(schema):
        spark.sql(f"create schema {schema}")
    for table in TABLES:
        # Statistics of every column cost a fifth of an append; these are the ones that spare files.
        columns = "tblproperties ('delta.dataSkippingStatsColumns' = 'timestamp,source_file,source_row,batch_id')"
        spark.sql(
            f"create table if not exists {schema}.{table} ({_ddl(table)}) using delta"
            f" {columns if table == 'trades' else ''}"
        )


def frame(spark: SparkSession, table: str, rows: list[Row]) -> DataFrame:
    """Return rows, be there none, as a DataFrame with the columns and types of a bronze table."""
    return spark.createDataFrame(pa.Table.from_pylist(rows, TABLES[table]), _ddl(table))


def _ddl(table: str) -> str:
    return ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in TABLES[table])


def _ingest(
    spark: SparkSession,
    settings: Settings,
    zone: landing_zone.LandingZone,
    listed: Mapping[str, RawFile],
    *,
    schema: str,
    seen: Callable[[str, int], None] | None = None,
) -> Landed:
    state = _state(spark, schema, listed)
    waiting = tuple(path for path, file in listed.items() if _is(file, state.rejected.get(path)))
    changed = tuple(p for p, file in listed.items() if p in state.landed and not _is(file, state.landed[p]))
    files: dict[str, int] = {}
    set_aside: dict[str, SetAside] = {}
    batch_id = None
    for _ in range(ROUNDS):
        done = {*state.landed, *waiting}
        pending = [file for path, file in listed.items() if path not in done]
        batch = Batch(zone, state.last_batch + 1, datetime.now(UTC))
        with _staging_folder(settings) as folder:
            staged = staging.stage(batch, pending, folder, seen)
            if any(staged.rows.values()):
                _append(spark, schema, batch, folder, staged.spoiled)
        landed = _enter(spark, schema, batch, staged.rows, listed)
        _set_aside(spark, schema, batch, state, set_aside=staged.set_aside, landed=landed, listed=listed)
        files |= landed
        set_aside |= staged.set_aside
        batch_id = batch.number if landed else batch_id
        if staged.rows.keys() <= landed.keys():
            break
        # Another client's append bore this number: see what is left.
        state = _state(spark, schema, listed)
    return Landed(batch_id, files, set_aside, waiting, changed, is_empty_zone=not listed)


def _is(file: RawFile, seen: Row | None) -> bool:
    """Return whether a listed file is as a table knows it; a size that is not known counts as equal."""
    return seen is not None and seen["file_modified_at"] == file.modified_at and seen["file_size"] in (None, file.size)


def _state(spark: SparkSession, schema: str, listed: Mapping[str, RawFile]) -> State:
    """Read what bronze holds, after putting right what a killed run left undone."""
    create_tables(spark, schema)
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(3) as pool:
            # Count and max are answered by Delta's log: no trade is read.
            total, landed, rejected = pool.map(
                _collect,
                (
                    spark.table(f"{schema}.trades").agg({"*": "count", "batch_id": "max"}),
                    spark.table(f"{schema}.landed_files"),
                    spark.table(f"{schema}.rejected_files"),
                ),
            )
        if sum(row["row_count"] for row in landed) == total[0]["count(1)"]:
            break
        _enter_from_trades(spark, schema, "true", listed)
    return State(_by_path(landed), _by_path(rejected), total[0]["max(batch_id)"] or 0)


def _by_path(rows: list[Row]) -> dict[str, Row]:
    return {row["source_file"]: row for row in rows}


def _append(spark: SparkSession, schema: str, batch: Batch, folder: Path, spoiled: list[str]) -> None:
    """Append the staged rows as one transaction, without effect if a batch with this number is there."""
    from pyspark.errors import PySparkException

    # Years before 1582 mean what they say; Spark would ask which calendar they are in.
    trades = spark.read.option("datetimeRebaseMode", "CORRECTED").parquet(_literal(folder))
    if spoiled:
        trades = trades.where(~trades["source_file"].isin(spoiled))
    writer = trades.write.format("delta").mode("append")
    writer = writer.option("txnAppId", TXN_APP).option("txnVersion", batch.number)
    try:
        writer.saveAsTable(f"{schema}.trades")
    except PySparkException as error:
        # Of two appends at once Delta refuses the later; the ledger then tells what has landed.
        if "CONCURRENT" not in str(error):
            raise


def _enter(
    spark: SparkSession, schema: str, batch: Batch, staged: Mapping[str, int], listed: Mapping[str, RawFile]
) -> dict[str, int]:
    """Enter a batch in the ledger, its files without rows too; return the rows of each file."""
    empty = [listed[path] for path, rows in staged.items() if not rows]
    _merge_ledger(
        spark,
        schema,
        [
            {
                "source_file": file.path,
                "file_size": file.size,
                "file_modified_at": file.modified_at,
                "row_count": 0,
                "batch_id": batch.number,
                "ingestion_timestamp": batch.started_at,
            }
            for file in empty
        ],
    )
    landed = {file.path: 0 for file in empty}
    if len(empty) < len(staged):
        landed |= _enter_from_trades(spark, schema, f"batch_id = {batch.number}", listed)
    return landed


def _enter_from_trades(
    spark: SparkSession, schema: str, condition: str, listed: Mapping[str, RawFile]
) -> dict[str, int]:
    """Enter the files of all trades that meet ``condition`` in the ledger; return the rows of each."""
    batches = spark.table(f"{schema}.trades").where(condition)
    files = batches.groupBy("source_file", "file_modified_at", "batch_id", "ingestion_timestamp").count()
    rows = _collect(files.withColumnRenamed("count", "row_count"))
    # After a kill, a file may be gone from the landing zone: its size stays unknown.
    for row in rows:
        row["file_size"] = listed[row["source_file"]].size if row["source_file"] in listed else None
    _merge_ledger(spark, schema, rows)
    return {row["source_file"]: row["row_count"] for row in rows}


def _merge_ledger(spark: SparkSession, schema: str, rows: list[Row]) -> None:
    _merge(spark, schema, "landed_files", rows, "when not matched then insert *")


def _set_aside(
    spark: SparkSession,
    schema: str,
    batch: Batch,
    state: State,
    *,
    set_aside: Mapping[str, SetAside],
    landed: Mapping[str, int],
    listed: Mapping[str, RawFile],
) -> None:
    """Keep one row for each file that is set aside, and none for a file that has landed."""
    rows: list[Row] = [
        {
            "source_file": path,
            "reason": why.reason,
            "detail": why.detail,
            # Without a time it is tried again by every run.
            "file_modified_at": listed[path].modified_at if why.lasting else None,
            "rejected_at": batch.started_at,
            "batch_id": batch.number,
            "file_size": listed[path].size,
        }
        for path, why in set_aside.items()
    ]
    known = ("reason", "detail", "file_modified_at", "file_size")
    rows = [
        row
        for row in rows
        for old in [state.rejected.get(row["source_file"])]
        if old is None or any(old[name] != row[name] for name in known)
    ]
    gone = state.rejected.keys() & {*landed, *state.landed}
    rows += [{"source_file": path} for path in gone]
    _merge(
        spark,
        schema,
        "rejected_files",
        rows,
        """
        when matched and changes.reason is null then delete
        when matched then update set *
        when not matched and changes.reason is not null then insert *
        """,
    )


def _merge(spark: SparkSession, schema: str, table: str, rows: list[Row], clauses: str) -> None:
    """Merge rows into a table by ``source_file``, again if another client's commit came between."""
    from pyspark.errors import PySparkException

    if not rows:
        return
    changes = frame(spark, table, rows)
    for attempt in range(ROUNDS):
        try:
            spark.sql(
                f"""
                merge into {schema}.{table} as known using {{changes}} as changes
                on known.source_file = changes.source_file
                {clauses}
                """,
                changes=changes,
            )
            return
        except PySparkException as error:
            if "CONCURRENT" not in str(error) or attempt == ROUNDS - 1:
                raise
            time.sleep(0.2 * 2**attempt)


@contextmanager
def _staging_folder(settings: Settings) -> Iterator[Path]:
    """Yield the path of a new folder in the data home, gone afterwards, as is what a kill left."""
    folder = settings.home / "staging"
    for left in folder.glob("*"):
        if left.stat().st_mtime < time.time() - STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    own = folder / uuid.uuid4().hex
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _collect(frame: DataFrame) -> list[Row]:
    return frame.toArrow().to_pylist()


def _literal(folder: Path) -> str:
    """Return a path that Spark takes as it is, without looking for patterns in it."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", str(folder))
