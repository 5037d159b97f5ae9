"""Where the layers of the local lake lie: in the data home, or each in its bucket.

Both are a file system and a folder in it for every schema, with ``<table>/_delta_log`` and ``<view>.view.sql``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyarrow import fs

from ingestion import landing_zone
from ingestion.settings import LAYERS, Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

VIEW = ".view.sql"


@dataclass(frozen=True)
class Layer:
    """One schema's place; ``address`` is what Spark and delta-rs open, ``root`` what ``filesystem`` does."""

    schema: str
    filesystem: fs.FileSystem
    root: str
    address: str

    def tables(self, *, sweep: bool = False) -> list[str]:
        """Return the tables whose first commit is there; ``sweep`` removes what a killed ``create table`` left."""
        found = []
        for folder in self._listed(self.root):
            if folder.type != fs.FileType.Directory:
                continue
            if any(file.path.endswith(".json") for file in self._listed(f"{folder.path}/_delta_log")):
                found.append(folder.base_name)
            elif sweep:
                self.filesystem.delete_dir(folder.path)
        return sorted(found)

    def views(self) -> list[str]:
        """Return the statements that create the views."""
        paths = sorted(file.path for file in self._listed(self.root) if file.path.endswith(VIEW))
        statements = []
        for path in paths:
            with self.filesystem.open_input_stream(path) as file:
                statements.append(file.read().decode())
        return statements

    def keep_view(self, name: str, statement: str) -> None:
        """Write down the statement that created a view."""
        self.filesystem.create_dir(self.root)
        with self.filesystem.open_output_stream(f"{self.root}/{name}{VIEW}") as file:
            file.write(statement.encode())

    def forget(self, name: str, *, is_view: bool) -> None:
        """Remove a table's or a view's files, if there are any."""
        view = f"{self.root}/{name}{VIEW}"
        if self.filesystem.get_file_info(view).type == fs.FileType.File:
            self.filesystem.delete_file(view)
        table = f"{self.root}/{name}"
        if not is_view and self.filesystem.get_file_info(table).type == fs.FileType.Directory:
            self.filesystem.delete_dir(table)

    def _listed(self, folder: str) -> list[fs.FileInfo]:
        return self.filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))


def of(settings: Settings, schema: str) -> Layer:
    """Return a schema's place; a schema that is no layer is always in the data home."""
    bucket = settings.lake_buckets.get(schema)
    if bucket:
        root = f"{bucket}/warehouse/{schema}.db"
        return Layer(schema, landing_zone.s3(settings), root, f"s3a://{root}")
    root = str(settings.warehouse / f"{schema}.db")
    return Layer(schema, fs.LocalFileSystem(), root, root)


def everyone(settings: Settings) -> list[Layer]:
    """Return the place of each layer, and of each other schema that the data home has."""
    others = {path.stem for path in settings.warehouse.glob("*.db")} - set(LAYERS)
    return [of(settings, schema) for schema in (*LAYERS, *sorted(others))]


def table(settings: Settings, schema: str, name: str) -> DeltaTable | None:
    """Return a table as delta-rs reads it, without the engine; None if there is none yet."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(f"{of(settings, schema).address}/{name}", storage_options=storage_options(settings))
    except TableNotFoundError:
        return None


def storage_options(settings: Settings) -> dict[str, str]:
    """Return what delta-rs needs to know to open a table in a bucket; it finds the credentials itself."""
    if not settings.lake_buckets:
        return {}
    return _without_none({"AWS_REGION": settings.aws_region, "AWS_ENDPOINT_URL": settings.aws_endpoint_url}) | {
        "AWS_ALLOW_HTTP": str((settings.aws_endpoint_url or "").startswith("http://")).lower()
    }


def spark_options(settings: Settings) -> dict[str, str]:
    """Return the engine's settings for buckets, none of them a secret: credentials come by the standard chain."""
    if not settings.lake_buckets:
        return {}
    endpoint = settings.aws_endpoint_url
    given = {
        "endpoint.region": settings.aws_region,
        "endpoint": endpoint,
        "path.style.access": "true" if endpoint else None,
        "aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        # A wrong key or bucket is said after seconds, not minutes.
        "attempts.maximum": "5",
        "connection.establish.timeout": "5s",
    }
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in _without_none(given).items()}


def _without_none(given: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}
