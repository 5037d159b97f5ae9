"""What the project's own dbt command does before dbt begins."""

import os

import pytest

from commands import dbt_command


@pytest.mark.parametrize("writable", [True, False])
def test_a_project_that_cannot_be_written_gets_artifacts_in_the_data_home(settings, monkeypatch, writable):
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    dbt_command.write_elsewhere(settings)
    found = {name: os.environ.get(f"DBT_{name}_PATH") for name in ("TARGET", "LOG")}
    plain = settings.home / "dbt" / "plain"
    assert found == dict.fromkeys(found) if writable else {"TARGET": str(plain / "target"), "LOG": str(plain / "logs")}
