"""Lakebase as the Postgres: a token takes the place of the password, a new one for each connection."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import databricks.sdk
import psycopg
import pytest
from support.dbutils import Secrets
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import postgres, secret_scope
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError

GIVEN = {"DB_ENDPOINT": "i.database.example", "DB_NAME": "crypto", "DB_USER": "app-id", "DB_LAKEBASE": "crypto-prod"}
CANARY = "canary-5c2e"


@pytest.fixture
def asked(monkeypatch):
    """What Databricks was asked for; each answer is another token."""
    asked = []

    def give(**names):
        asked.append(names.get("endpoint") or names["instance_names"])
        return SimpleNamespace(token=f"{CANARY}-{len(asked)}")

    api = SimpleNamespace(generate_database_credential=give)
    monkeypatch.setattr(databricks.sdk, "WorkspaceClient", lambda: SimpleNamespace(database=api, postgres=api))
    return asked


def given(**values):
    return settings_module.load(no_settings() | GIVEN | values, PROJECT)


def test_each_connection_gets_a_token_of_its_own(asked, monkeypatch):
    used = []
    monkeypatch.setattr(psycopg, "connect", lambda **options: used.append(options) or MagicMock())
    for _ in range(2):
        postgres.connect(given())
    assert [options["password"] for options in used] == [f"{CANARY}-1", f"{CANARY}-2"]
    assert asked == [["crypto-prod"], ["crypto-prod"]]
    assert used[0]["sslmode"] == "verify-full" and used[0]["sslrootcert"] == "system" and used[0]["user"] == "app-id"


def test_an_endpoint_of_a_project_is_asked_for_by_its_path(asked):
    path = "projects/crypto/branches/production/endpoints/primary"
    assert postgres.values(given(DB_LAKEBASE=path))["password"] == f"{CANARY}-1" and asked == [path]


def test_a_password_comes_before_a_token(asked):
    assert postgres.values(given(DB_PASSWORD="native"))["password"] == "native" and asked == []


def test_no_token_is_one_sentence_without_a_secret(monkeypatch):
    def refuse():
        raise ValueError(f"default auth: cannot configure {CANARY}")

    monkeypatch.setattr(databricks.sdk, "WorkspaceClient", refuse)
    with pytest.raises(CryptoError) as error:
        postgres.connect(given())
    assert "DB_LAKEBASE" in str(error.value) and CANARY not in str(error.value) and "\n" not in str(error.value)


def test_a_refused_token_is_not_shown(asked, monkeypatch):
    def refuse(**options):
        raise psycopg.OperationalError(f"FATAL: password authentication failed for {options['password']}")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(CryptoError) as error:
        postgres.connect(given())
    assert "refuses the password of user 'app-id'" in str(error.value) and CANARY not in str(error.value)


def test_a_secret_scope_needs_no_password_with_lakebase():
    scope = {f"crypto/{name}": value for name, value in GIVEN.items()}
    assert secret_scope.read(Secrets(scope), "crypto")["DB_LAKEBASE"] == "crypto-prod"
    del scope["crypto/DB_LAKEBASE"]
    with pytest.raises(CryptoError, match="has no DB_PASSWORD"):
        secret_scope.read(Secrets(scope), "crypto")


def test_without_either_the_password_is_missed():
    with pytest.raises(CryptoError, match="DB_PASSWORD is not"):
        given(DB_LAKEBASE="")
