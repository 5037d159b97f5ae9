"""Commits that change only what a Delta table says of itself: comments, and features of its protocol.

delta-rs, which reads tables everywhere else, has one commit a column for comments and none that drops a feature.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from deltalake import DeltaTable

CHANGE_FEED = "changeDataFeed"
ENGINE = "crypto-lakehouse"
NO_STATISTICS = {"delta.dataSkippingNumIndexedCols": "0"}
NAMES_STATISTICS = {"delta.dataSkippingStatsColumns", *NO_STATISTICS}


def set_comments(
    settings: Settings, name: str, *, description: str | None = None, columns: dict[str, str] | None = None
) -> None:
    """Set the comment of a table and of some of its columns, in one commit."""
    table = _existing(settings, name)
    metadata = _metadata(table)
    if description is not None:
        metadata["description"] = description
    schema = json.loads(metadata["schemaString"])
    for field in schema["fields"]:
        if field["name"] in (columns or {}):
            field["metadata"]["comment"] = (columns or {})[field["name"]]
    metadata["schemaString"] = json.dumps(schema, ensure_ascii=False)
    _commit(
        settings,
        name,
        table.version() + 1,
        "CHANGE COLUMNS" if columns else "SET TBLPROPERTIES",
        [{"metaData": metadata}],
    )


def adapt_to_sail(settings: Settings, name: str) -> bool:
    """Take from a table of an earlier release, or of another writer, what Sail stumbles over; False if it has nothing.

    That is the change feed, which Sail does not write; NOT NULL, which it checks on rows that a query's filter removes;
    and the log's statistics of columns, from which it reads a column that has one value in a file, decimals as doubles.
    A table that names the columns of its statistics keeps them. None of this makes a difference to readers.
    """
    table = _existing(settings, name)
    protocol, metadata = table.protocol(), _metadata(table)
    schema = json.loads(metadata["schemaString"])
    properties = metadata["configuration"]
    has_feed = CHANGE_FEED in (protocol.writer_features or ()) or protocol.min_writer_version == 4
    required = [field for field in schema["fields"] if not field["nullable"]]
    has_statistics = not properties.keys() & NAMES_STATISTICS and not metadata["partitionColumns"]
    if not has_feed and not required and not has_statistics:
        return False
    actions: list[dict[str, Any]] = []
    if has_feed or required:
        for field in required:
            field["nullable"] = True
        metadata["schemaString"] = json.dumps(schema, ensure_ascii=False)
        properties.pop("delta.enableChangeDataFeed", None)
        actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
    if has_statistics:
        properties |= NO_STATISTICS
        actions += [{"add": file} for file in _files_without_statistics(table)]
    _commit(settings, name, table.version() + 1, "DROP FEATURE", [{"metaData": metadata}, *actions])
    return True


def _files_without_statistics(table: DeltaTable) -> Iterator[dict[str, Any]]:
    """Yield the table's files as actions that replace those in the log and tell the number of rows alone."""
    for file in pa.table(table.get_add_actions()).to_pylist():
        yield {
            "path": quote(file["path"]),
            "partitionValues": {},
            "size": file["size_bytes"],
            "modificationTime": file["modification_time"],
            "dataChange": False,
            "stats": json.dumps({"numRecords": file["num_records"]}),
        }


def _existing(settings: Settings, name: str) -> DeltaTable:
    table = lake.table(settings, name)
    if table is None:
        raise ValueError(f"there is no table {name}")
    return table


def _metadata(table: DeltaTable) -> dict[str, Any]:
    found = table.metadata()
    return {
        "id": str(found.id),
        "name": found.name,
        "description": found.description,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": table.schema().to_json(),
        "partitionColumns": found.partition_columns,
        "createdTime": found.created_time,
        "configuration": dict(found.configuration),
    }


def _commit(settings: Settings, name: str, version: int, operation: str, actions: list[dict[str, Any]]) -> None:
    """Write one commit; the run lock keeps other writers away."""
    schema, _, table = name.partition(".")
    layer = lake.layer(settings, schema)
    info = {"timestamp": time.time_ns() // 1_000_000, "operation": operation, "engineInfo": ENGINE}
    lines = [json.dumps(action) for action in ({"commitInfo": info}, *actions)]
    with layer.filesystem.open_output_stream(f"{layer.root}/{table}/_delta_log/{version:020}.json") as file:
        file.write(("\n".join(lines) + "\n").encode())
