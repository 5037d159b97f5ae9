"""The ingestion as Databricks runs it: session, names and secrets from outside, folders for volumes."""

import ast
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.databases import Server
from support.project import PROJECT

from ingestion import sample
from lakehouse import settings as settings_module
from lakehouse.databricks import ingest, secret_scope
from lakehouse.databricks.ingest import Job
from lakehouse.errors import CryptoError
from lakehouse.postgres import embedded

CANARY = "canary-7b1d"


class Secrets:
    """What ``dbutils`` offers for secrets."""

    def __init__(self, values: dict[str, str]) -> None:
        self.secrets = SimpleNamespace(get=lambda scope, key: values[f"{scope}/{key}"])


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
def job(spark, tmp_path: Path) -> Iterator[Job]:
    """A job on the engine's catalog, with a folder for each volume."""
    (tmp_path / "staging").mkdir()
    prefix = f"test_{uuid.uuid4().hex[:8]}_"
    arguments = ["--catalog", "spark_catalog", "--secret-scope", "crypto", "--schema-prefix", prefix]
    arguments += ["--landing", str(tmp_path / "landing"), "--staging", str(tmp_path / "staging")]
    yield ingest.parse(arguments)
    spark.sql(f"drop schema if exists {prefix}bronze cascade")


def test_files_of_a_volume_land_once_with_the_reference_data(spark, job: Job, scope, capsys):
    sample.generate(job.landing, trades=500)
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


def test_the_staging_volume_is_beside_the_tables_unless_it_is_named():
    given = ["--catalog", "main", "--landing", "/Volumes/main/dev_bronze/landing", "--secret-scope", "crypto"]
    job = ingest.parse([*given, "--schema-prefix", "dev_"])
    assert (job.schema, job.staging) == ("`main`.`dev_bronze`", "/Volumes/main/dev_bronze/staging")


def test_a_missing_secret_is_named_and_no_other_is_told():
    values = {f"crypto/{name}": CANARY for name in secret_scope.REQUIRED if name != "DB_PASSWORD"}
    with pytest.raises(CryptoError) as error:
        secret_scope.read(Secrets(values), "crypto")
    assert "'crypto' has no DB_PASSWORD" in str(error.value) and CANARY not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_catalog_is_one_sentence(spark, job: Job, scope):
    with pytest.raises(CryptoError) as error:
        ingest.run(replace(job, catalog="nowhere"), spark, Secrets(scope))
    assert "'nowhere' can't be used" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_volume_is_one_sentence(spark, job: Job, scope):
    with pytest.raises(CryptoError, match="create that volume"):
        ingest.run(replace(job, staging=job.staging + "/none"), spark, Secrets(scope))


def test_a_wrong_password_is_one_sentence_without_it(spark, job: Job, scope):
    with pytest.raises(CryptoError) as error:
        ingest.run(job, spark, Secrets(scope | {"crypto/DB_PASSWORD": CANARY}))
    assert "refuses the password" in str(error.value) and CANARY not in str(error.value)


# What serverless compute refuses, or does not have.
FORBIDDEN = {
    *("rdd", "sparkContext", "_sc", "_jvm", "_jsparkSession", "_jdf", "addFile", "addJar", "addPyFile"),
    *("createGlobalTempView", "createOrReplaceGlobalTempView", "parallelize", "broadcast"),
    *("cache", "persist", "unpersist", "checkpoint", "localCheckpoint"),
}


def modules_of(*names: str) -> dict[str, ast.Module]:
    """The project's modules that these import, at whatever place in them, by name."""
    found: dict[str, ast.Module] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = PROJECT / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = ast.parse(path.read_text())
        for node in ast.walk(found[name]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("ingestion", "lakehouse"):
                waiting += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_nothing_that_serverless_forbids_is_used():
    modules = modules_of("lakehouse.databricks.ingest", "lakehouse.sync", "lakehouse.databricks.secret_scope")
    assert {"ingestion.bronze", "ingestion.normalise", "lakehouse.sync.transaction"} <= modules.keys()
    assert not [name for name in modules if name.startswith("lakehouse.engine")]
    modules["postgres_sync"] = ast.parse((PROJECT / "models" / "sync" / "postgres_sync.py").read_text())
    used = {
        (name, word)
        for name, tree in modules.items()
        for node in ast.walk(tree)
        for word in (getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "name", None))
        if word in FORBIDDEN
    }
    assert not used
    imported = {
        name
        for tree in modules.values()
        for node in ast.walk(tree)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
        )
    }
    # Delta's own Python package and the bridge to Java; deltalake is another one, without a JVM.
    assert not {name for name in imported if name and name.split(".")[0] in ("delta", "py4j")}
