"""The engine's catalog: kept in memory, and filled from the lake's folders each time the engine starts.

The folders are the only record of which tables and views exist, so no second store of metadata can disagree with them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def restore(settings: Settings, spark: SparkSession) -> None:
    """Register the tables of all layers in an empty catalog, then the views saved beside them."""
    from pyspark.errors import PySparkException

    tables, views = [], []
    for layer in lake.all_layers(settings):
        place = _quoted(layer.address)
        spark.sql(f"create schema if not exists `{layer.schema}` location '{place}'")
        for table in layer.tables(remove_unfinished=True):
            name = f"`{layer.schema}`.`{table}`"
            tables.append(f"create table if not exists {name} using delta location '{place}/{_quoted(table)}'")
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
