"""The source of a sync: the tables that the sync model declares, each read at one version of its Delta table."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

MODEL = "models/sync/postgres_sync.py"
CHUNK_ROWS = 500_000
# Bytes of a column that are read at a time.
BUFFER = 2**20


@dataclass(frozen=True)
class Table:
    """A declared table: its name in the lake, its name in Postgres' schema ``crypto``, and the primary key of both."""

    relation: str
    target: str
    key: tuple[str, ...]


class TableSource(Protocol):
    """A Delta table at one version, the same that the sync records."""

    table: Table

    @property
    def id(self) -> str:
        """The table's id, which changes only when the table is created again."""

    @property
    def version(self) -> int:
        """The version that is read."""

    def columns(self) -> dict[str, str]:
        """Return Spark's type of each column, by name."""

    def chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield all rows in chunks, so that memory does not grow with the table."""


@dataclass
class LakeSource:
    """A table of the local lake, read from its files without an engine."""

    table: Table
    delta: DeltaTable

    @property
    def id(self) -> str:
        """The table's id, which changes only when the table is created again."""
        return str(self.delta.metadata().id)

    @property
    def version(self) -> int:
        """The version that is read."""
        return self.delta.version()

    def columns(self) -> dict[str, str]:
        """Return Spark's type of each column, by name."""
        return lake.column_types(self.delta)

    def chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield all rows as Arrow tables of at most CHUNK_ROWS rows, with one chunk read ahead."""
        return _read_ahead(self._chunks(columns))

    def _chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        dataset = self.delta.to_pyarrow_dataset()
        schema = pa.schema([dataset.schema.field(name) for name in columns])
        # A dataset's own batches hold whole row groups, which can have a million rows.
        for fragment in dataset.get_fragments():
            file = pq.ParquetFile(fragment.path, filesystem=fragment.filesystem, pre_buffer=False, buffer_size=BUFFER)
            names = file.schema_arrow.names
            for batch in file.iter_batches(CHUNK_ROWS, columns=[name for name in columns if name in names]):
                rows = pa.Table.from_batches([batch])
                # A file that is older than a column lacks it.
                values = [
                    rows[name] if name in names else pa.nulls(len(rows), schema.field(name).type) for name in columns
                ]
                yield pa.table(values, columns).cast(schema)


@dataclass
class SparkSource:
    """A table of Unity Catalog, read by the Spark session of a Databricks job."""

    spark: SparkSession
    table: Table
    id: str
    version: int

    @property
    def relation(self) -> str:
        """The table at this version, as SQL names it."""
        return f"{self.table.relation} version as of {self.version}"

    def columns(self) -> dict[str, str]:
        """Return Spark's type of each column, by name."""
        schema = self.spark.sql(f"select * from {self.relation}").schema
        return {column.name: column.dataType.simpleString() for column in schema}

    def chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield all rows as Arrow tables of about CHUNK_ROWS rows, split by the key, with one chunk read ahead."""
        count = self.spark.sql(f"select count(*) from {self.relation}").collect()[0][0]
        chunks = max(1, -(-count // CHUNK_ROWS))
        names, key = (", ".join(f"`{name}`" for name in some) for some in (columns, self.table.key))

        def read(chunk: int) -> pa.Table:
            where = f"where pmod(xxhash64({key}), {chunks}) = {chunk}" if chunks > 1 else ""
            return self.spark.sql(f"select {names} from {self.relation} {where}").toArrow()

        return _read_ahead(read(chunk) for chunk in range(chunks))


def _read_ahead(chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield chunks while a thread reads the one that follows."""
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(next, chunks, None)
        while (chunk := ahead.result()) is not None:
            ahead = reader.submit(next, chunks, None)
            yield chunk


def newest(spark: SparkSession | None, settings: Settings, table: Table) -> TableSource:
    """Return the newest version of a table, from the local lake if ``spark`` is None, else from the session's catalog.

    Raise CryptoError if the table can't be read.
    """
    if spark is None:
        delta = lake.table(settings, table.relation.replace("`", ""))
        if delta is None:
            raise CryptoError(f"{table.relation} can't be read to be published; run 'dbt build' first.")
        return LakeSource(table, delta)
    from pyspark.errors import PySparkException

    try:
        version = spark.sql(f"describe history {table.relation} limit 1").select("version").collect()[0][0]
        identity = spark.sql(f"describe detail {table.relation}").select("id").collect()[0][0]
    except PySparkException as error:
        raise CryptoError(f"{table.relation} can't be read to be published; run 'dbt build' first.") from error
    return SparkSource(spark, table, identity, version)


def published_tables(project: Path) -> list[Table]:
    """Return the tables that the sync model declares, with their names in the local lake.

    A model's schema is the name of its layer's folder. Raise CryptoError if a declared model has no file.
    """

    def ref(name: str) -> str:
        path = next(project.glob(f"models/**/{name}.sql"), None)
        if path is None:
            raise CryptoError(f"{MODEL} publishes {name!r}, but no folder of models/ has {name}.sql; correct its name.")
        return f"{path.relative_to(project).parts[1]}.{name}"

    tables: list[Table] = runpy.run_path(str(project / MODEL))["tables"](SimpleNamespace(ref=ref))
    return tables
