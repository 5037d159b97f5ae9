"""Land raw trades in ``bronze.trades``, each file exactly once; the ledger ``bronze.landed_files`` records which.

Three rules make ingestion idempotent. An append to ``bronze.trades`` carries its batch number as Delta's
``txnVersion``, so Delta ignores a second append with the same number: a retry, or a statement that outlived its killed
client. The ledger is written after the append, from the rows that the table then holds. Every run first compares the
two, and completes the ledger if an earlier run was killed between append and ledger.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion import landing_zone, normalise
from ingestion.bronze import create_tables, frame
from ingestion.landing_zone import Listing, RawFile
from ingestion.normalise import Batch, SetAside
from lakehouse import engine_errors
from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from lakehouse.storage import staging

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Row = dict[str, Any]

TXN_APP = "crypto-lakehouse-bronze"
# How often a step is repeated if another client's commit conflicts with it.
ROUNDS = 5


@dataclass(frozen=True)
class IngestResult:
    """The result of one ingestion.

    ``batch_id`` is None if no file landed. ``files`` maps each file that landed to its number of rows, ``set_aside``
    each file set aside by this run to the cause. ``waiting`` files were set aside by an earlier run and have not
    changed since; ``changed`` files have changed since they landed. ``listing`` is what the landing zone held.
    """

    batch_id: int | None
    files: Mapping[str, int]
    set_aside: Mapping[str, SetAside]
    waiting: tuple[str, ...]
    changed: tuple[str, ...]
    listing: Listing = field(default_factory=Listing, compare=False)

    @property
    def is_empty_zone(self) -> bool:
        """Whether the landing zone holds no raw file."""
        return not self.listing.files

    @property
    def rows(self) -> int:
        """The number of rows that landed."""
        return sum(self.files.values())


@dataclass(frozen=True)
class State:
    """The state of bronze: the ledger and the rejected files, by path, and the last batch number of the trades."""

    landed: Mapping[str, Row]
    rejected: Mapping[str, Row]
    last_batch: int


def ingest(
    spark: SparkSession,
    settings: Settings,
    *,
    schema: str = "bronze",
    zone: landing_zone.LandingZone | None = None,
    on_file: Callable[[str, int], None] | None = None,
    engine_path: Callable[[Path], str] = str,
) -> IngestResult:
    """Land all new raw files of ``zone``, by default the settings' landing zone, in ``<schema>.trades``.

    ``on_file`` is called with each file and its number of rows. ``engine_path`` returns the path under which the
    engine sees a folder of this machine. Missing bronze tables are created; nothing is written if no file is new.
    It is safe to kill this at any point, and to run it twice at the same time. Raise CryptoError if the landing zone,
    the data home or the engine fails.
    """
    from pyspark.errors import PySparkException

    zone = zone or landing_zone.of(settings)
    listing = zone.list()
    try:
        return _ingest(spark, settings, zone, listing, schema=schema, on_file=on_file, engine_path=engine_path)
    except PySparkException as error:
        raise CryptoError(
            engine_errors.explain(settings, error)
            or f"The engine failed while files were landing ({first_line(error)}); run it again."
        ) from error


def describe(landed: IngestResult) -> Iterator[str]:
    """Yield sentences that describe a result: which files landed, were set aside, or have changed since they landed."""
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
    for path, cause in landed.listing.skipped.items():
        yield f"Left out {path}: {cause}."
    for ending, count in landed.listing.others.items():
        yield f"{count:,} files ending in {ending or 'nothing'} are left as they are; only *.parquet files land."
    for path in landed.changed:
        yield f"{path} has changed since it landed; withdraw it and land it under another name."


def _ingest(
    spark: SparkSession,
    settings: Settings,
    zone: landing_zone.LandingZone,
    listing: Listing,
    *,
    schema: str,
    on_file: Callable[[str, int], None] | None = None,
    engine_path: Callable[[Path], str] = str,
) -> IngestResult:
    listed = {file.path: file for file in listing.files}
    state = _state(spark, schema, listed)
    waiting = tuple(path for path, file in listed.items() if _is_unchanged(file, state.rejected.get(path)))
    changed = tuple(p for p, file in listed.items() if p in state.landed and not _is_unchanged(file, state.landed[p]))
    files: dict[str, int] = {}
    set_aside: dict[str, SetAside] = {}
    batch_id = None
    for _ in range(ROUNDS):
        done = {*state.landed, *waiting}
        pending = [file for path, file in listed.items() if path not in done]
        batch = Batch(zone, state.last_batch + 1, datetime.now(UTC), settings.batch_memory)
        with staging.folder(settings) as folder:
            staged = normalise.normalise(batch, pending, folder, on_file)
            if any(staged.rows.values()):
                _append(spark, schema, batch, engine_path(folder), staged.spoiled)
        landed = _enter(spark, schema, batch, staged.rows, listed)
        _set_aside(spark, schema, batch, state, set_aside=staged.set_aside, landed=landed, listed=listed)
        files |= landed
        set_aside |= staged.set_aside
        batch_id = batch.number if landed else batch_id
        if staged.rows.keys() <= landed.keys():
            break
        # Another client's append used this batch number first: read again which files are left.
        state = _state(spark, schema, listed)
    return IngestResult(batch_id, files, set_aside, waiting, changed, listing)


def _is_unchanged(file: RawFile, known: Row | None) -> bool:
    """Return whether a listed file has the time and size that a table recorded; an unknown size counts as equal."""
    if known is None:
        return False
    return known["file_modified_at"] == file.modified_at and known["file_size"] in (None, file.size)


def _state(spark: SparkSession, schema: str, listed: Mapping[str, RawFile]) -> State:
    """Return the state of bronze, after completing the ledger if a killed run has left it incomplete."""
    create_tables(spark, schema)
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(3) as pool:
            # The engine answers count and max from the Delta log, without reading a trade.
            total, landed, rejected = pool.map(
                _collect,
                (
                    spark.table(f"{schema}.trades").agg({"*": "count", "batch_id": "max"}),
                    spark.table(f"{schema}.landed_files"),
                    spark.table(f"{schema}.rejected_files"),
                ),
            )
        recorded, held = sum(row["row_count"] for row in landed), total[0]["count(1)"]
        if recorded == held:
            break
        _enter_from_trades(spark, schema, "true", listed)
    else:
        if held < recorded:
            raise CryptoError(
                f"{schema}.trades holds {held:,} rows, but {recorded:,} have landed. Restore the table; or drop it and "
                f"{schema}.landed_files with their files, and land the landing zone again: `crypto run --full-refresh`."
            )
    return State(_by_path(landed), _by_path(rejected), total[0]["max(batch_id)"] or 0)


def _by_path(rows: list[Row]) -> dict[str, Row]:
    return {row["source_file"]: row for row in rows}


def _append(spark: SparkSession, schema: str, batch: Batch, folder: str, spoiled: list[str]) -> None:
    """Append the staged rows in one transaction; Delta ignores it if a batch with this number has landed."""
    from pyspark.errors import PySparkException

    # The files use the Gregorian calendar also before 1582; unless told so, Spark refuses to read such times.
    trades = spark.read.option("datetimeRebaseMode", "CORRECTED").parquet(_escape_glob(folder))
    if spoiled:
        trades = trades.where(~trades["source_file"].isin(spoiled))
    writer = trades.write.format("delta").mode("append")
    writer = writer.option("txnAppId", TXN_APP).option("txnVersion", batch.number)
    try:
        writer.saveAsTable(f"{schema}.trades")
    except PySparkException as error:
        # Delta refuses the later one of two concurrent appends; the ledger then shows which files have landed.
        if "CONCURRENT" not in str(error):
            raise


def _enter(
    spark: SparkSession, schema: str, batch: Batch, staged: Mapping[str, int], listed: Mapping[str, RawFile]
) -> dict[str, int]:
    """Enter a batch in the ledger, including its files without rows; return the number of rows of each file."""
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
    """Enter the files of the trades that meet ``condition`` in the ledger; return the number of rows of each."""
    batches = spark.table(f"{schema}.trades").where(condition)
    files = batches.groupBy("source_file", "file_modified_at", "batch_id", "ingestion_timestamp").count()
    rows = _collect(files.withColumnRenamed("count", "row_count"))
    # If a run was killed, the file can be gone from the landing zone by now; its size then stays unknown.
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
    """Update ``rejected_files``: one row for each file that is set aside, none for a file that has landed."""
    rows: list[Row] = [
        {
            "source_file": path,
            "reason": why.reason,
            "detail": why.detail,
            # A file recorded without a time is tried again by every run.
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
    """Merge rows into a table by ``source_file``; repeat it if another client's commit conflicts."""
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


def _collect(frame: DataFrame) -> list[Row]:
    return frame.toArrow().to_pylist()


def _escape_glob(folder: str) -> str:
    """Return a path with the characters escaped that Spark would read as a glob pattern."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", folder)
