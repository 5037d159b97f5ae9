"""The bronze tables: their columns, how they are created, and how rows become DataFrames with these columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingestion import normalise
from ingestion.normalise import TIME

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Row = dict[str, Any]

TABLES = {
    "trades": normalise.SCHEMA,
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


def create_tables(spark: SparkSession, schema: str) -> None:
    """Create the missing bronze tables in ``schema``, and the schema itself if it is missing."""
    # Check first: a user without the privilege to create schemas can still use an existing one.
    if not spark.catalog.databaseExists(schema):
        spark.sql(f"create schema {schema}")
    existing = {table.name for table in spark.catalog.listTables(schema)}
    for table in [name for name in TABLES if name not in existing]:
        # Statistics of all columns take a fifth of an append's time; queries skip files only by these.
        properties = "tblproperties ('delta.dataSkippingStatsColumns' = 'timestamp,source_file,source_row,batch_id')"
        spark.sql(
            f"create table if not exists {schema}.{table} ({_ddl(table)}) using delta"
            f" {properties if table == 'trades' else ''}"
        )


def frame(spark: SparkSession, table: str, rows: list[Row]) -> DataFrame:
    """Return ``rows``, which can be empty, as a DataFrame with the columns and types of a bronze table."""
    return spark.createDataFrame(pa.Table.from_pylist(rows, TABLES[table]), _ddl(table))


def _ddl(table: str) -> str:
    return ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in TABLES[table])
