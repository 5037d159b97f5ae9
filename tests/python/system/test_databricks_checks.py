"""The last task of the Databricks job, with a secret scope of the embedded server's own values."""

import os

import pytest
from support.project import PROJECT

from lakehouse import postgres
from lakehouse.databricks import checks
from lakehouse.errors import CryptoError


@pytest.fixture
def database(engine_settings, published, monkeypatch):
    """The DB_ settings that a secret scope would hold; what the task puts into the environment is undone."""
    given = postgres.values(engine_settings)
    values = {"DB_ENDPOINT": given["host"], "DB_PORT": str(given["port"]), "DB_NAME": given["dbname"]}
    values |= {"DB_USER": given["user"], "DB_PASSWORD": given["password"], "DB_SSLMODE": "disable"}
    for name in (*values, "CRYPTO_HOME"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return values


def test_what_was_published_passes(database, capsys):
    checks.check(PROJECT, database)
    assert "daily_series" in capsys.readouterr().out


def test_a_wrong_password_is_one_plain_sentence(database):
    with pytest.raises(CryptoError) as failure:
        checks.check(PROJECT, database | {"DB_PASSWORD": "canary-wrong"})
    assert "\n" not in str(failure.value) and "canary-wrong" not in str(failure.value)
