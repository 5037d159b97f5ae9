"""The layers of the local lake, in the data home or each in its bucket, and their Delta tables read without an engine.

A layer is a file system and a folder in it, which holds ``<table>/_delta_log`` for each table and
``<view>.view.sql`` for each view.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import fs

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import LAYERS, Settings
from lakehouse.storage import delta_path, s3

if TYPE_CHECKING:
    import pyarrow
    from deltalake import DeltaTable

VIEW = ".view.sql"
# What Sail is given for a view, where that differs from what was written.
SAIL_VIEW = ".view.sail.sql"
# Where SQL and the Delta log name a type differently.
SQL_TYPES = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}


@dataclass(frozen=True)
class Layer:
    """One schema's place; ``address`` is what Spark and delta-rs open, ``root`` what ``filesystem`` does."""

    schema: str
    filesystem: fs.FileSystem
    root: str
    address: str

    def tables(self, *, remove_unfinished: bool = False) -> list[str]:
        """Return the names of the tables that have a first commit.

        With ``remove_unfinished``, folders without one, left by a killed ``create table``, are deleted.
        """
        found = []
        for folder in self._entries(self.root):
            if folder.type != fs.FileType.Directory:
                continue
            if any(file.path.endswith(".json") for file in self._entries(f"{folder.path}/_delta_log")):
                found.append(folder.base_name)
            elif remove_unfinished:
                self.filesystem.delete_dir(folder.path)
        return sorted(found)

    def names(self) -> list[str]:
        """Return the names of the tables and views."""
        views = (file.base_name for file in self._entries(self.root) if file.path.endswith(VIEW))
        return [*self.tables(), *(name.removesuffix(VIEW) for name in views)]

    def views(self, *, sail: bool) -> list[str]:
        """Return the statements that create the views, as Sail or as Spark runs them."""
        found = {file.path for file in self._entries(self.root)}
        statements = []
        for path in sorted(path for path in found if path.endswith(VIEW)):
            given = path.removesuffix(VIEW) + SAIL_VIEW
            with self.filesystem.open_input_stream(given if sail and given in found else path) as file:
                statements.append(file.read().decode())
        return statements

    def save_view(self, name: str, statement: str, for_sail: str) -> None:
        """Save the statement that created a view, and what Sail is given for it if that differs."""
        self._delete_view(name)
        self.filesystem.create_dir(self.root)
        texts = {VIEW: statement} if for_sail == statement else {VIEW: statement, SAIL_VIEW: for_sail}
        for suffix, text in texts.items():
            with self.filesystem.open_output_stream(f"{self.root}/{name}{suffix}") as file:
                file.write(text.encode())

    def _delete_view(self, name: str) -> None:
        for path in (f"{self.root}/{name}{VIEW}", f"{self.root}/{name}{SAIL_VIEW}"):
            if self.filesystem.get_file_info(path).type == fs.FileType.File:
                self.filesystem.delete_file(path)

    def delete(self, name: str, *, is_view: bool) -> None:
        """Delete the files of a table or a view, if there are any."""
        self._delete_view(name)
        table = f"{self.root}/{name}"
        if not is_view and self.filesystem.get_file_info(table).type == fs.FileType.Directory:
            self.filesystem.delete_dir(table)

    def _entries(self, folder: str) -> list[fs.FileInfo]:
        return self.filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))


def layer(settings: Settings, schema: str) -> Layer:
    """Return a schema's place; a schema that is no layer is always in the data home."""
    bucket = settings.lake_buckets.get(schema)
    if bucket:
        root = f"{bucket}/warehouse/{schema}.db"
        return Layer(schema, s3.file_system(settings), root, f"s3a://{root}")
    root = str(settings.warehouse / f"{schema}.db")
    return Layer(schema, fs.LocalFileSystem(), root, root)


def all_layers(settings: Settings) -> list[Layer]:
    """Return the place of each layer, and of each other schema in the data home."""
    others = {path.stem for path in settings.warehouse.glob("*.db")} - set(LAYERS)
    return [layer(settings, schema) for schema in (*LAYERS, *sorted(others))]


def table(settings: Settings, name: str) -> DeltaTable | None:
    """Return the Delta table of that name, such as ``gold.daily_metrics``; None if it does not exist."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    schema, _, bare = name.partition(".")
    address = f"{layer(settings, schema).address}/{bare}"
    if schema not in settings.lake_buckets:
        if not Path(address, "_delta_log").is_dir():
            return None
        address = str(delta_path.readable(Path(address)))
    try:
        return DeltaTable(address, storage_options=s3.delta_options(settings))
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise CryptoError(
            f"The Delta log of {name} can't be read ({first_line(error)}); stop the engine (`crypto engine stop`), "
            f"remove {layer(settings, schema).address}/{bare}, and run `crypto run`, which builds it anew."
        ) from error


def column_types(table: DeltaTable) -> dict[str, str]:
    """Return the type of each column as SQL names it, such as ``bigint`` or ``decimal(18,8)``."""
    fields = json.loads(table.schema().to_json())["fields"]
    return {field["name"]: _sql_type(field["type"]) for field in fields}


def _sql_type(kind: Any) -> str:
    if isinstance(kind, str):
        return SQL_TYPES.get(kind, kind)
    if kind["type"] == "array":
        return f"array<{_sql_type(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"map<{_sql_type(kind['keyType'])},{_sql_type(kind['valueType'])}>"
    return f"struct<{','.join(_field(field) for field in kind['fields'])}>"


def _field(field: dict[str, Any]) -> str:
    return f"`{field['name']}`:{_sql_type(field['type'])}"


def read(settings: Settings, name: str, columns: list[str], **options: Any) -> pyarrow.Table | None:
    """Return columns of a table; ``options`` are pyarrow's, such as ``filter``. None if there is no table."""
    found = table(settings, name)
    return found.to_pyarrow_dataset().to_table(columns=columns, **options) if found else None


def query(settings: Settings, name: str, sql: str) -> pyarrow.Table | None:
    """Return the answer to SQL about one table, which it calls ``data``; None if there is no table.

    delta-rs answers without the engine and file by file, so memory grows with the answer, not with the table.
    """
    import pyarrow
    from deltalake import QueryBuilder

    found = table(settings, name)
    return pyarrow.table(QueryBuilder().register("data", found).execute(sql)) if found else None
