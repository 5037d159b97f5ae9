"""The log of syncs, ``crypto.sync_runs``: one row per sync and table, written in the transaction of the sync."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse import postgres
from lakehouse.postgres.identifiers import column_list
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RUNS_SCHEMA = (
    "run_id string, invocation_id string, table_name string, source_id string, source_version bigint, "
    "rows_inserted bigint, rows_updated bigint, rows_deleted bigint, rows_total bigint, "
    "checksum decimal(38,0), seconds double, finished_at timestamp"
)


@dataclass
class TableSync:
    """One row of ``crypto.sync_runs``; in a plan, the row as it would be, with examples of differences."""

    run_id: uuid.UUID
    invocation_id: str
    table_name: str
    source_id: str
    source_version: int
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    rows_total: int = 0
    checksum: int = 0
    seconds: float = 0.0
    finished_at: datetime | None = None
    examples: list[str] = field(default_factory=list)


COLUMNS = [name for name in TableSync.__dataclass_fields__ if name != "examples"]


def runs(spark: SparkSession, settings: Settings, unknown_to: str | None = None) -> DataFrame:
    """Return ``crypto.sync_runs`` as a DataFrame, without the runs that the Delta table ``unknown_to`` already has."""
    known: set[str] = set()
    if unknown_to:
        known = {row.run_id for row in spark.sql(f"select distinct run_id from {unknown_to}").collect()}
    query = f"select {column_list(COLUMNS)} from crypto.sync_runs order by finished_at, table_name"
    with postgres.connect(settings) as connection:
        rows = [(str(run_id), *rest) for run_id, *rest in connection.execute(query) if str(run_id) not in known]
    return spark.createDataFrame(rows, RUNS_SCHEMA)
