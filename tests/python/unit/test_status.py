"""`crypto status`: each part of the set-up is checked, what is wrong names its fix, and little is loaded for it."""

import json
import shutil
import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from support.isolation import no_settings
from support.project import PROJECT

from commands.inspect import status
from lakehouse import settings as settings_module


def given(tmp_path, **values):
    return settings_module.load(no_settings() | {"CRYPTO_HOME": str(tmp_path / "home")} | values, PROJECT)


def found(settings, name):
    (check,) = [check for check in status.checks(settings) if check["check"] == name]
    return check


def test_a_set_up_that_is_well_has_a_word_on_each_part(tmp_path):
    checks = status.checks(given(tmp_path))
    assert [check["check"] for check in checks] == [
        "python", "sail", "dbt", "engine", "memory", "disk", "ports", "lake", "models", "postgres", "s3", "databricks",
    ]  # fmt: skip
    assert all(check["ok"] and check["found"] for check in checks), checks
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("name", "values", "fix"),
    [
        (
            "postgres",
            {"DB_ENDPOINT": "127.0.0.1:1", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "canary"},
            "DB_PORT",
        ),
        ("s3", {"RAW_BUCKET": "raw", "AWS_REGION": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS_ENDPOINT_URL"),
        ("databricks", {"DATABRICKS_TOKEN": "canary"}, "DATABRICKS_HOST"),
        ("databricks", {"DATABRICKS_HOST": "x.cloud.databricks.com"}, "DATABRICKS_HTTP_PATH"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(tmp_path, name, values, fix, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    check = found(given(tmp_path, **values), name)
    assert not check["ok"] and fix in check["found"] and "canary" not in check["found"]


def test_what_the_machine_lacks_is_named_with_its_fix(tmp_path, monkeypatch):
    settings = given(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024**3))
    assert "CRYPTO_HOME" in found(settings, "disk")["found"]
    monkeypatch.setattr(status, "ENOUGH_MEMORY", 1 << 60)
    assert "CRYPTO_ENGINE_MEMORY=1g" in found(settings, "memory")["found"]
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert "PYTHON=python3.11" in found(settings, "python")["found"]


def test_a_table_that_is_gone_from_the_lake_is_named(tmp_path):
    settings = given(tmp_path)
    (settings.home / "runs").mkdir(parents=True)
    assert found(settings, "lake")["ok"]
    run = settings.home / "runs/20260101T000000-1"
    run.mkdir()
    run.with_suffix(".json").write_text('{"ok": true, "seconds": 1}')
    result = {"unique_id": "model.crypto.daily_metrics", "status": "success", "execution_time": 1, "message": None}
    results = {"metadata": {}, "elapsed_time": 1, "results": [result]}
    (run / "build.json").write_text(json.dumps(results))
    # Its data files alone are no table.
    (settings.warehouse / "gold.db/daily_metrics/_delta_log").mkdir(parents=True)
    check = found(settings, "lake")
    assert (
        not check["ok"]
        and "gold.daily_metrics;" in check["found"]
        and "correlations" not in check["found"]
        and "`crypto run`" in check["found"]
    )


def test_a_table_whose_model_is_gone_is_named_with_the_command_that_removes_it(tmp_path):
    settings = given(tmp_path)
    for name in ("gold.daily_metrics", "gold.daily_leaders", "silver.rejection_reasons", "sync.postgres_sync__dbt_tmp"):
        schema, table = name.split(".")
        write_deltalake(settings.warehouse / f"{schema}.db" / table, pa.table({"n": [1]}))
    check = found(settings, "models")
    assert not check["ok"] and "No model makes gold.daily_leaders any more" in check["found"]
    assert "`crypto prune` removes it" in check["found"]
