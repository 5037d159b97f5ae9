"""The tasks of the Databricks job before they connect to anything: their arguments, their secrets, their folder."""

import pytest
from support.dbutils import Secrets

from commands.databricks import checks, ingest
from lakehouse import secret_scope
from lakehouse.errors import CryptoError

CANARY = "canary-7b1d"


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


def test_a_folder_without_a_project_is_said(tmp_path):
    with pytest.raises(CryptoError, match=r"There is no .*dbt_project\.yml; name the folder"):
        checks.check(tmp_path, {})
