"""The engine's catalog: kept in memory, and filled from the lake's folders each time the engine starts.

The folders are the only record of which tables and views exist, so no second store of metadata can disagree with them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lakehouse.settings import SAIL, Settings
from lakehouse.storage import delta_log, lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def restore(settings: Settings, spark: SparkSession, home: str) -> None:
    """Register the tables of all layers in an empty catalog, then the views saved beside them.

    ``home`` is the path by which the engine knows the data home.
    """
    from pyspark.errors import PySparkException

    tables, views = [], []
    for layer in lake.all_layers(settings):
        place = _quoted(layer.address.replace(str(settings.home), home, 1))
        spark.sql(f"create schema if not exists `{layer.schema}` location '{place}'")
        for table in layer.tables(remove_unfinished=True):
            if settings.engine == SAIL:
                delta_log.adapt_to_sail(settings, f"{layer.schema}.{table}")
            name, columns = f"`{layer.schema}`.`{table}`", _columns(settings, f"{layer.schema}.{table}")
            tables.append(
                f"create table if not exists {name} {columns} using delta location '{place}/{_quoted(table)}'"
            )
        views += layer.views()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spark.sql, tables))
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


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _columns(settings: Settings, name: str) -> str:
    """Return a table's columns as DDL, from its Delta log; Sail shows no columns for a table registered without."""
    if settings.engine != SAIL:
        return ""
    found = lake.table(settings, name)
    assert found
    types, fields = lake.column_types(found), found.schema().fields
    columns = (f"`{field.name}` {types[field.name]}{'' if field.nullable else ' not null'}" for field in fields)
    return f"({', '.join(columns)})"
