"""``crypto-ingest-databricks``: ingestion as a Python task of a Databricks job, serverless or on a cluster.

It calls ledger.ingest with the session, the secrets and the Unity Catalog names that the job provides. Raw files and
normalised copies are below ``/Volumes``, which Databricks provides as a file system.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.databricks import dbutils
from ingestion import bronze, landing_zone, ledger, reference
from lakehouse import postgres, secret_scope, settings
from lakehouse.errors import CryptoError, first_line
from lakehouse.postgres import migrate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Task:
    """The task's arguments: names in Unity Catalog, folders, and the secret scope with the DB_ settings."""

    catalog: str
    landing: str
    secret_scope: str
    schema_prefix: str
    staging: str

    @property
    def schema(self) -> str:
        """The bronze schema's full name, quoted for SQL."""
        return f"`{self.catalog}`.`{self.schema_prefix}bronze`"


def main() -> None:
    """Run the task; exit with a sentence if it fails."""
    os.environ["TZ"] = "UTC"
    try:
        task = parse(sys.argv[1:])
        utilities = dbutils()
        from pyspark.sql import SparkSession

        run(task, SparkSession.builder.getOrCreate(), utilities)
    except CryptoError as error:
        sys.exit(str(error))


def parse(arguments: Sequence[str]) -> Task:
    """Parse a command line."""
    parser = argparse.ArgumentParser(prog="crypto-ingest-databricks", description="Land new raw files in bronze.")
    parser.add_argument("--catalog", required=True, help="catalog of Unity Catalog")
    parser.add_argument("--landing", required=True, help="folder of raw files: below /Volumes, or an s3:// address")
    parser.add_argument("--secret-scope", required=True, help="secret scope with the DB_ settings of Postgres")
    parser.add_argument("--schema-prefix", default="", help="prefix of the name of each schema")
    parser.add_argument("--staging", help="folder for copies; default: the volume `staging` in the bronze schema")
    given = parser.parse_args(arguments)
    staging = given.staging or f"/Volumes/{given.catalog}/{given.schema_prefix}bronze/staging"
    return Task(given.catalog, given.landing, given.secret_scope, given.schema_prefix, staging)


def run(task: Task, spark: SparkSession, utilities: Any) -> ledger.IngestResult:
    """Land new files and the reference data, and print what landed; raise CryptoError if that fails."""
    loaded = settings.load(secret_scope.read(utilities, task.secret_scope) | {"CRYPTO_HOME": task.staging})
    if not Path(task.staging).is_dir():
        raise CryptoError(f"There is no folder {task.staging} for copies of raw files; create that volume.")
    _check_catalog(task, spark)
    zone = landing_zone.at(task.landing, loaded)
    with postgres.connect(loaded) as connection:
        migrate.migrate(connection)
        _create_tables(task, spark)
        landed = ledger.ingest(spark, loaded, schema=task.schema, zone=zone)
        reference.copy(spark, connection, schema=task.schema)
    for line in ledger.describe(landed):
        print(line)
    return landed


def _create_tables(task: Task, spark: SparkSession) -> None:
    """Create the missing tables; trades are clustered by batch, because silver reads them by batch."""
    from pyspark.errors import PySparkException

    try:
        if not spark.catalog.tableExists(f"{task.schema}.trades"):
            bronze.create_tables(spark, task.schema)
            spark.sql(f"alter table {task.schema}.trades cluster by (batch_id)")
    except PySparkException as error:
        raise CryptoError(
            f"The tables of {task.schema} can't be created ({first_line(error)}); "
            "grant this user USE SCHEMA and CREATE TABLE there."
        ) from error


def _check_catalog(task: Task, spark: SparkSession) -> None:
    from pyspark.errors import PySparkException

    try:
        spark.sql(f"show schemas in `{task.catalog}`").collect()
    except PySparkException as error:
        raise CryptoError(
            f"The catalog {task.catalog!r} can't be used ({first_line(error)}); "
            "name one that exists, and grant this user USE CATALOG on it."
        ) from error
