"""What Databricks, through dbt, says of a wrong set-up becomes one sentence with its fix."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse.databricks.errors import explain
from lakehouse.dbt_command import ErrorExplainer

CANARY = "dapi-canary-91c2"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "Error properties: attempt=1/2, error-message=, http-code=403, method=OpenSession",
            "Databricks refuses the credentials",
        ),
        ("Database Error\n  Invalid access token.", "Databricks refuses the credentials"),
        (
            "[NO_SUCH_CATALOG_EXCEPTION] Catalog 'nowhere' was not found. Please verify the catalog name.",
            "There is no catalog 'nowhere'; set DATABRICKS_CATALOG",
        ),
        (
            "[SCHEMA_NOT_FOUND] The schema `main`.`bronze` cannot be found. Verify the spelling",
            "There is no catalog or schema 'bronze'",
        ),
        (
            "PERMISSION_DENIED: User does not have USE CATALOG on Catalog 'prod'.",
            "Databricks denies it (User does not have USE CATALOG on Catalog 'prod'); let the owner",
        ),
        ("[INSUFFICIENT_PERMISSIONS] Insufficient privileges:", "Databricks denies a permission"),
        (
            "Python model failed\n  CryptoError: The secret scope 'crypto' has no DB_PASSWORD.\n  Traceback",
            "The secret scope 'crypto' has no DB_PASSWORD.",
        ),
        ("HTTPSConnectionPool: Failed to resolve 'adb.example'", "The host of the workspace is not known"),
        ("Runtime Error\n  The config 'host' is required to connect to Databricks", "The target databricks needs"),
    ],
)
def test_a_refusal_is_one_sentence(said: str, sentence: str):
    found = explain(said)
    assert found and found.startswith(sentence) and "\n" not in found


def test_an_ordinary_failure_has_no_sentence():
    assert explain("Failure in test not_null_trades_trade_id\n  Got 3 results") is None


def test_the_first_cause_counts():
    heard = ErrorExplainer()
    for level, said in (("info", "http-code=403"), ("error", "Catalog 'a' not found"), ("error", "http-code=403")):
        heard(SimpleNamespace(info=SimpleNamespace(level=level, msg=said)))
    assert heard.sentence == explain("Catalog 'a' not found")


def test_dbt_without_a_workspace_ends_with_the_sentence(tmp_path: Path):
    places = ["--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")]
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "dbt", "show", "-s", "rejection_reasons", "--target", "databricks", *places],
        cwd=PROJECT,
        env=os.environ | no_settings() | {"CRYPTO_HOME": str(tmp_path), "DATABRICKS_TOKEN": CANARY},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode
    assert done.stderr.splitlines()[-1].startswith("The target databricks needs DATABRICKS_HOST")
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert CANARY not in done.stdout + done.stderr and not [text for text in written if CANARY.encode() in text]
