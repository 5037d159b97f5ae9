"""The lake's tables, read without the engine: delta-rs opens what Spark has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingestion import layers
from ingestion.settings import Settings

if TYPE_CHECKING:
    import pyarrow
    from deltalake import DeltaTable


def table(settings: Settings, name: str) -> DeltaTable | None:
    """Return the Delta table of that name, such as ``gold.daily_metrics``; None if there is none yet."""
    schema, _, bare = name.partition(".")
    return layers.table(settings, schema, bare)


def read(settings: Settings, name: str, columns: list[str], **options: Any) -> pyarrow.Table | None:
    """Return columns of a table; ``options`` are pyarrow's, such as ``filter``. None if there is no table."""
    found = table(settings, name)
    return found.to_pyarrow_dataset().to_table(columns=columns, **options) if found else None
