"""Commits that change only what a Delta table says of itself: comments, and features of its protocol.

delta-rs, which reads tables everywhere else, has one commit a column for comments and none that drops a feature.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from deltalake import DeltaTable

CHANGE_FEED = "changeDataFeed"
ENGINE = "crypto-lakehouse"


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
        settings, name, table.version() + 1, "CHANGE COLUMNS" if columns else "SET TBLPROPERTIES", metaData=metadata
    )


def make_writable(settings: Settings, name: str) -> bool:
    """Take from a table of an earlier release what Sail can't write with; False if there is nothing to take.

    That is the change feed, which Sail does not write, and NOT NULL, which it checks on rows that a query's filter
    removes. Neither makes a difference to readers.
    """
    table = _existing(settings, name)
    protocol, metadata = table.protocol(), _metadata(table)
    schema = json.loads(metadata["schemaString"])
    has_feed = CHANGE_FEED in (protocol.writer_features or ()) or protocol.min_writer_version == 4
    required = [field for field in schema["fields"] if not field["nullable"]]
    if not has_feed and not required:
        return False
    for field in required:
        field["nullable"] = True
    metadata["schemaString"] = json.dumps(schema, ensure_ascii=False)
    metadata["configuration"].pop("delta.enableChangeDataFeed", None)
    lowest = {"minReaderVersion": 1, "minWriterVersion": 2}
    _commit(settings, name, table.version() + 1, "DROP FEATURE", protocol=lowest, metaData=metadata)
    return True


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


def _commit(settings: Settings, name: str, version: int, operation: str, **actions: dict[str, Any]) -> None:
    """Write one commit; the run lock keeps other writers away."""
    schema, _, table = name.partition(".")
    layer = lake.layer(settings, schema)
    info = {"timestamp": time.time_ns() // 1_000_000, "operation": operation, "engineInfo": ENGINE}
    lines = [json.dumps({key: action}) for key, action in ({"commitInfo": info} | actions).items()]
    with layer.filesystem.open_output_stream(f"{layer.root}/{table}/_delta_log/{version:020}.json") as file:
        file.write(("\n".join(lines) + "\n").encode())
