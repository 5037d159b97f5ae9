"""The ingestion as Databricks runs it: session, names and secrets from outside, folders for volumes."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import fs
from support.databases import Server
from support.dbutils import Secrets

from commands.databricks import ingest
from commands.databricks.ingest import Task
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.postgres import embedded
from lakehouse.storage.raw_files import Destination
from market_data import sample

CANARY = "canary-7b1d"


@pytest.fixture(scope="module")
def spark(apache_spark):
    """Apache Spark, which Databricks is nearest to."""
    return apache_spark


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), embedded.binaries())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def scope(server: Server, settings: settings_module.Settings) -> dict[str, str]:
    """A secret scope with an empty database of this test's own."""
    found = server.database(settings).postgres
    assert found
    values = {"DB_ENDPOINT": found.host, "DB_PORT": str(found.port), "DB_NAME": found.name}
    values |= {"DB_USER": found.user, "DB_PASSWORD": found.password, "DB_SSLMODE": found.sslmode}
    return {f"crypto/{name}": value for name, value in values.items()}


@pytest.fixture
def job(spark, tmp_path: Path) -> Iterator[Task]:
    """A job on the engine's catalog, with a folder for each volume."""
    (tmp_path / "staging").mkdir()
    prefix = f"test_{uuid.uuid4().hex[:8]}_"
    arguments = ["--catalog", "spark_catalog", "--secret-scope", "crypto", "--schema-prefix", prefix]
    arguments += ["--landing", str(tmp_path / "landing"), "--staging", str(tmp_path / "staging")]
    yield ingest.parse(arguments)
    spark.sql(f"drop schema if exists {prefix}bronze cascade")


def test_files_of_a_volume_land_once_with_the_reference_data(spark, job: Task, scope, capsys):
    sample.generate(Destination(fs.LocalFileSystem(), job.landing), trades=500)
    (Path(job.landing) / "cut.parquet").write_bytes(b"PAR1")
    landed = ingest.run(job, spark, Secrets(scope))
    assert (landed.rows, [why.reason for why in landed.set_aside.values()]) == (500, ["unreadable"])
    assert spark.table(f"{job.schema}.trades").count() == 500
    assert spark.table(f"{job.schema}.symbols").count() > 0
    detail = spark.sql(f"describe detail {job.schema}.trades").collect()[0]
    assert detail.clusteringColumns == ["batch_id"]
    again = ingest.run(job, spark, Secrets(scope))
    assert (again.batch_id, len(again.waiting)) == (None, 1)
    assert not [*Path(job.staging).rglob("*.parquet")]
    said = capsys.readouterr()
    assert "Landed 2 files with 500 rows as batch 1." in said.out
    assert scope["crypto/DB_PASSWORD"] not in said.out + said.err


def test_a_missing_catalog_is_one_sentence(spark, job: Task, scope):
    with pytest.raises(CryptoError) as error:
        ingest.run(replace(job, catalog="nowhere"), spark, Secrets(scope))
    assert "'nowhere' can't be used" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_volume_is_one_sentence(spark, job: Task, scope):
    with pytest.raises(CryptoError, match="create that volume"):
        ingest.run(replace(job, staging=job.staging + "/none"), spark, Secrets(scope))


def test_a_wrong_password_is_one_sentence_without_it(spark, job: Task, scope):
    with pytest.raises(CryptoError) as error:
        ingest.run(job, spark, Secrets(scope | {"crypto/DB_PASSWORD": CANARY}))
    assert "refuses the password" in str(error.value) and CANARY not in str(error.value)
