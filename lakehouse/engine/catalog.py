"""The engine's catalog: kept in memory, and filled from the lake's folders each time the engine starts.

The folders are the only record of which tables and views exist, so no second store of metadata can disagree with them.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lakehouse.settings import SAIL, Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

CHANGE_FEED = "delta.enableChangeDataFeed"
NO_STATISTICS = {"delta.dataSkippingNumIndexedCols": "0"}
NAMES_STATISTICS = {"delta.dataSkippingStatsColumns", *NO_STATISTICS}
ATTEMPTS = 5
INEXACT = re.compile("decimal|double|float")


def restore(settings: Settings, spark: SparkSession, home: str) -> None:
    """Register the tables of all layers in an empty catalog, then the views saved beside them.

    ``home`` is the path by which the engine knows the data home.
    """
    tables, views = [], []
    for layer in lake.all_layers(settings):
        place = _escape(layer.address.replace(str(settings.home), home, 1))
        spark.sql(f"create schema if not exists `{layer.schema}` location '{place}'")
        for table in layer.tables(remove_unfinished=True):
            columns = ""
            if settings.engine == SAIL and (delta := lake.table(settings, f"{layer.schema}.{table}")):
                prepare_for_sail(delta)
                columns = _columns(delta)
            tables.append(
                f"create table if not exists `{layer.schema}`.`{table}` {columns} "
                f"using delta location '{place}/{_escape(table)}'"
            )
        views += layer.views(sail=settings.engine == SAIL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spark.sql, tables))
    create_views(spark, views)


def create_views(spark: SparkSession, views: list[str]) -> None:
    """Run statements that create views, in an order that works; leave out those that fail in any."""
    from pyspark.errors import PySparkException

    # A view may read another one: repeat until none is left, or a round registers none.
    while views:
        failed = []
        for statement in views:
            try:
                spark.sql(statement)
            except PySparkException:
                failed.append(statement)
        if len(failed) == len(views):
            break
        views = failed


def prepare_for_sail(table: DeltaTable) -> None:
    """Take from a table what Sail stumbles over, whoever wrote it; readers notice no difference.

    Sail writes no change feed, and checks NOT NULL on rows that a query's filter removes. A column that has one value
    in a whole file it reads from the log's statistics, decimals and doubles inexactly; a table that names the columns
    of its statistics keeps them.
    """
    from deltalake.exceptions import CommitFailedError

    for attempt in range(ATTEMPTS):
        try:
            if table.metadata().configuration.get(CHANGE_FEED) == "true":
                table.alter.set_table_properties({CHANGE_FEED: "false"})
            for field in table.schema().fields:
                if not field.nullable:
                    table.alter.drop_column_not_null(field.name)
            if INEXACT.search(table.schema().to_json()) and not table.metadata().partition_columns:
                _drop_statistics(table)
            return
        except CommitFailedError:
            # Another writer has committed in between.
            if attempt == ATTEMPTS - 1:
                raise
            table.update_incremental()


def _drop_statistics(table: DeltaTable) -> None:
    """Enter the files in the table's log anew, with their number of rows alone; raise CommitFailedError."""
    import pyarrow as pa
    from deltalake import CommitProperties
    from deltalake.transaction import AddAction, RemoveAction

    # Each commit directly follows the version that was read: a file that another writer has removed must not come back.
    next_version = CommitProperties(max_commit_retries=0)
    while not NAMES_STATISTICS & table.metadata().configuration.keys():
        read = table.version()
        actions: list[AddAction | RemoveAction] = [
            AddAction(
                path=file["path"],
                size=file["size_bytes"],
                partition_values={},
                modification_time=file["modification_time"],
                data_change=False,
                stats=json.dumps({"numRecords": file["num_records"]}),
            )
            for file in pa.table(table.get_add_actions()).to_pylist()
        ]
        table.create_write_transaction(actions, "append", table.schema(), commit_properties=next_version)
        table.update_incremental()
        if table.version() == read + 1:
            # The property comes last, since it says that all is done.
            table.alter.set_table_properties(NO_STATISTICS, commit_properties=next_version)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _columns(table: DeltaTable) -> str:
    """Return a table's columns as DDL, from its Delta log; Sail shows no columns for a table registered without."""
    types, fields = lake.column_types(table), table.schema().fields
    columns = (f"`{field.name}` {types[field.name]}{'' if field.nullable else ' not null'}" for field in fields)
    return f"({', '.join(columns)})"
