"""What Databricks, through dbt, says of a wrong set-up becomes one sentence with its fix."""

from types import SimpleNamespace

import pytest

from commands.databricks.errors import explain
from commands.dbt_command import ErrorExplainer


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
