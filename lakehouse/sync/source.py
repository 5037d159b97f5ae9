"""What a sync reads: the tables that the sync model declares, each at one version of its Delta table."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from lakehouse.errors import CryptoError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

MODEL = "models/sync/postgres_sync.py"
CHUNK_ROWS = 500_000


@dataclass(frozen=True)
class Table:
    """A declared table: its name in the lake, its name in Postgres' schema ``crypto``, and the key of both."""

    relation: str
    target: str
    key: tuple[str, ...]


@dataclass
class Source:
    """A Delta table at one version: the version that is read is the version that is recorded."""

    spark: SparkSession
    table: Table
    id: str
    version: int

    @property
    def relation(self) -> str:
        """The version, as SQL names it."""
        return f"{self.table.relation} version as of {self.version}"

    def columns(self) -> dict[str, str]:
        """Spark's type of each column, by name."""
        schema = self.spark.sql(f"select * from {self.relation}").schema
        return {column.name: column.dataType.simpleString() for column in schema}

    def chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows as Arrow tables of about CHUNK_ROWS rows, split by the key; the next is read meanwhile."""
        count = self.spark.sql(f"select count(*) from {self.relation}").collect()[0][0]
        chunks = max(1, -(-count // CHUNK_ROWS))
        names, key = (", ".join(f"`{name}`" for name in some) for some in (columns, self.table.key))

        def read(chunk: int) -> pa.Table:
            where = f"where pmod(xxhash64({key}), {chunks}) = {chunk}" if chunks > 1 else ""
            return self.spark.sql(f"select {names} from {self.relation} {where}").toArrow()

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, 0)
            for chunk in range(1, chunks):
                found, ahead = ahead.result(), reader.submit(read, chunk)
                yield found
            yield ahead.result()


def newest(spark: SparkSession, table: Table) -> Source:
    """The table's newest version; CryptoError if there is no such Delta table."""
    from pyspark.errors import PySparkException

    try:
        version = spark.sql(f"describe history {table.relation} limit 1").select("version").collect()[0][0]
        identity = spark.sql(f"describe detail {table.relation}").select("id").collect()[0][0]
    except PySparkException as error:
        raise CryptoError(f"{table.relation} can't be read to be published; run 'dbt build' first.") from error
    return Source(spark, table, identity, version)


def declared(project: Path) -> list[Table]:
    """Return the tables that the sync model declares, named as in the local lake: a model's layer is its schema."""

    def ref(name: str) -> str:
        path = next(project.glob(f"models/**/{name}.sql"), None)
        if path is None:
            raise CryptoError(f"{MODEL} publishes {name!r}, but no folder of models/ has {name}.sql; correct its name.")
        return f"{path.relative_to(project).parts[1]}.{name}"

    tables: list[Table] = runpy.run_path(str(project / MODEL))["tables"](SimpleNamespace(ref=ref))
    return tables
