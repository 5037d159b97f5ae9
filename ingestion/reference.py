"""Reference data: symbols, exchanges and withdrawn files, which each run copies from Postgres to bronze."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingestion import bronze
from lakehouse.errors import CryptoError, first_line

if TYPE_CHECKING:
    from psycopg import Connection
    from pyspark.sql import SparkSession

    from lakehouse.settings import Settings

# The ASCII white space that screening trims; Spark's trim removes only spaces by default.
WHITE_SPACE = r"' \t\n\u000B\f\r'"
COPIED = ("symbols", "exchanges", "withdrawn_files")


def copy(spark: SparkSession, connection: Connection[Any], schema: str = "bronze") -> list[str]:
    """Copy the tables COPIED from Postgres' schema ``crypto`` to ``schema``; return the names of those written.

    A table that is already equal is not written. Raise CryptoError if a symbol or an exchange that has trades was
    removed or respelled in Postgres, or if Postgres or the engine fails.
    """
    import psycopg
    from pyspark.errors import PySparkException

    try:
        with connection.transaction():
            current = {table: _read_postgres(connection, table) for table in COPIED}
    except psycopg.Error as error:
        raise CryptoError(
            f"The reference data in Postgres can't be read ({first_line(error)}); check its schema crypto."
        ) from error
    try:
        bronze.create_tables(spark, schema)
        copied = {table: _read_bronze(spark, schema, table) for table in COPIED}
        for table, column in (("symbols", "symbol"), ("exchanges", "exchange")):
            removed = {row[0] for row in copied[table]} - {row[0] for row in current[table]}
            _refuse(table, _names_with_trades(spark, schema, column, removed) if removed else [])
        differing = [table for table in COPIED if copied[table] != current[table]]
        for table in differing:
            rows = [dict(zip(bronze.TABLES[table].names, row, strict=True)) for row in current[table]]
            new = bronze.frame(spark, table, rows)
            spark.sql(f"insert overwrite {schema}.{table} select * from {{new}}", new=new)
    except PySparkException as error:
        raise CryptoError(
            f"The engine failed while reference data was copied ({first_line(error)}); run it again."
        ) from error
    return differing


def withdraw(settings: Settings, files: Iterable[str], why: str) -> list[str]:
    """Insert files into ``crypto.withdrawn_files``; return those that were not there yet.

    Raise CryptoError, and insert none, if one of them has not landed and does not wait in the landing zone either, or
    was withdrawn for another reason.
    """
    from ingestion import landing_zone
    from lakehouse.postgres import reference
    from lakehouse.storage import lake

    named = list(files)
    landed = lake.read(settings, "bronze.landed_files", ["source_file"])
    known = set(landed["source_file"].to_pylist()) if landed else set()
    if unknown := set(named) - known:
        unknown -= {file.path for file in landing_zone.of(settings).list().files}
    if unknown:
        raise CryptoError(f"{min(unknown)} has not landed; name a file as bronze.landed_files does, below trades/.")
    with reference.editing(settings) as connection:
        query = "select source_file, reason from crypto.withdrawn_files where source_file = any(%s)"
        before = dict(connection.execute(query, [named]).fetchall())
        for file, reason in before.items():
            if reason != why:
                raise CryptoError(
                    f"{file} was withdrawn before, because {reason!r}; to give another reason, update its row of "
                    "crypto.withdrawn_files in Postgres."
                )
        added = [file for file in dict.fromkeys(named) if file not in before]
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into crypto.withdrawn_files (source_file, reason) values (%s, %s)",
                [(file, why) for file in added],
            )
    return added


def restore(settings: Settings, files: Iterable[str]) -> None:
    """Take files out of ``crypto.withdrawn_files``; raise CryptoError, and take none, if one was not withdrawn."""
    from lakehouse.postgres import reference

    with reference.editing(settings) as connection:
        for file in files:
            deleted = connection.execute("delete from crypto.withdrawn_files where source_file = %s", [file])
            if not deleted.rowcount:
                raise CryptoError(f"{file} is not withdrawn; `crypto withdraw --list` shows the files that are.")


def _read_postgres(connection: Connection[Any], table: str) -> set[tuple]:
    columns = ", ".join(bronze.TABLES[table].names)
    rows = connection.execute(f"select {columns} from crypto.{table}").fetchall()
    return {tuple(_utc(value) for value in row) for row in rows}


def _utc(value: Any) -> Any:
    # PySpark makes pyarrow ignore time zones (it sets PYARROW_IGNORE_TIMEZONE), so all times must be UTC already.
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _read_bronze(spark: SparkSession, schema: str, table: str) -> set[tuple]:
    return {tuple(row.values()) for row in spark.table(f"{schema}.{table}").toArrow().to_pylist()}


def _names_with_trades(spark: SparkSession, schema: str, column: str, names: set[str]) -> list[str]:
    """Return those of ``names`` that have trades, trimmed and compared as in screening."""
    lost = spark.createDataFrame(pa.table({"name": sorted(names)}))
    return (
        spark.sql(
            f"""
            select name from {{lost}} as lost
            where exists (
                select * from {schema}.trades
                where upper(trim(both {WHITE_SPACE} from trades.{column})) = upper(lost.name)
            )
            order by name
            """,
            lost=lost,
        )
        .toArrow()
        .column(0)
        .to_pylist()
    )


def _refuse(table: str, names: list[str]) -> None:
    if names:
        raise CryptoError(
            f"{', '.join(names)} has trades but is gone from crypto.{table} or spelled another way there; "
            "put it back as it was (a symbol can be made inactive instead)."
        )
