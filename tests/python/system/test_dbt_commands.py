"""dbt as people call it: each subcommand and common flag on the local targets, with what is to be expected of it.

docs/dbt.md tells the same to users. What can't work says so in one sentence and has written nothing.
"""

import json
import re
import shlex
import shutil
from typing import Any

import pytest
from support.commands import DBT, run_command
from support.project import PROJECT

from commands.run.dbt_runner import target_folder
from lakehouse import postgres
from lakehouse.storage import lake

# The order is kept: a command leaves artifacts that the next one may use.
LOCAL, POSTGRES = "local", "postgres"
WELL, FAILS = "Completed successfully", "Nothing was built: with --"
# command, target, what it says, whether it fails
CASES: list[tuple[str, str, str, bool]] = [
    ("build -s market_overview", LOCAL, WELL, False),
    ("build -s daily_series", POSTGRES, WELL, False),
    ("build --empty", LOCAL, FAILS + "empty", True),
    ("build --empty", POSTGRES, FAILS + "empty", True),
    ("run --empty -s market_overview", LOCAL, FAILS + "empty", True),
    ("seed --empty", LOCAL, FAILS + "empty", True),
    ("snapshot --empty", LOCAL, FAILS + "empty", True),
    ("run --sample '3 days' -s market_overview", LOCAL, FAILS + "sample", True),
    ("run -s market_overview --defer --state target --full-refresh --fail-fast --threads 1", LOCAL, WELL, False),
    ("run -s market_overview --warn-error --vars '{schema_prefix: \"\"}'", LOCAL, WELL, False),
    ("build --exclude screened_trades+", LOCAL, "leave it out too, as in `--exclude ... models/serving`", True),
    ("build -s candles_1d", POSTGRES, "The lake builds candles_1d", True),
    ("test -s market_overview --store-failures", LOCAL, WELL, False),
    ("seed", LOCAL, WELL, False),
    ("snapshot", LOCAL, WELL, False),
    ("compile -s market_overview", LOCAL, "Compiled node 'market_overview' is:", False),
    ("compile -s market_overview --empty", LOCAL, "where false limit 0", False),
    ("clone --state target", LOCAL, "`dbt clone` copies schemas of Databricks only", True),
    ("source freshness", LOCAL, "PASS freshness of bronze.trades", False),
    ("source freshness", POSTGRES, "PASS freshness of crypto.sync_runs", False),
    ("docs generate --static", LOCAL, "Catalog written to", False),
    ("docs generate --static", POSTGRES, "Catalog written to", False),
    ("debug", LOCAL, "All checks passed!", False),
    ("debug", POSTGRES, "All checks passed!", False),
    ("deps", LOCAL, "No packages were found", False),
    ("ls --output json -s market_overview", LOCAL, '"resource_type": "model"', False),
    ("ls -s source:bronze", LOCAL, "source:crypto.bronze.trades", False),
    ("show --inline 'select 1 as one' --output json", LOCAL, '"one": 1', False),
    ("show --inline \"select * from {{ ref('daily_series') }}\" --limit 1", POSTGRES, "metric_date", False),
    ("run-operation optimize_tables", LOCAL, "Optimized bronze.trades", False),
]


def said_by(command: str, target: str, folder: Any, home: Any, **given: str) -> tuple[int, str]:
    """Run a command of dbt whose artifacts go into a folder; return its exit code and what it said, without colours."""
    arguments = shlex.split(command.replace("--state target", f"--state '{folder}'"))
    places = {"DBT_TARGET_PATH": str(folder), "DBT_LOG_PATH": str(folder / "logs"), "CRYPTO_HOME": str(home)}
    done = run_command(*arguments, "--target", target, program=DBT, **places, **given)
    return done.returncode, re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory, engine_settings, first_run):
    """A folder for dbt's artifacts; it begins with the manifest of the first run, for --state."""
    folder = tmp_path_factory.mktemp("artifacts")
    shutil.copy(target_folder(engine_settings, LOCAL) / "manifest.json", folder)
    return folder


@pytest.mark.parametrize(("command", "target", "says", "fails"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_a_command_of_dbt_does_what_the_table_says(command, target, says, fails, artifacts, engine_settings, published):
    code, said = said_by(command, target, artifacts, engine_settings.home)
    assert (code != 0) == fails and " ".join(says.split()) in " ".join(said.split()), said
    # The run has parsed the project for both targets; other --vars would be another project.
    assert "Traceback" not in said and ("Unable to do partial parsing" in said) == ("--vars" in command)


def test_no_table_is_emptied_by_a_dry_run(artifacts, engine_settings, published):
    """What refuse_partial_rows is for."""

    def versions():
        return {name: table.version() for name in NAMES if (table := lake.table(engine_settings, name))}

    NAMES = ("silver.screened_trades", "silver.candles_1d", "gold.daily_metrics", "gold.candle_revisions")
    before = versions()
    for option in ("--empty", "--sample '3 days'"):
        code, _ = said_by(f"build {option}", LOCAL, artifacts, engine_settings.home)
        assert code != 0
    code, _ = said_by("build", LOCAL, artifacts, engine_settings.home, DBT_EMPTY="true")
    assert code != 0 and len(before) == len(NAMES) and versions() == before
    with postgres.connect(engine_settings) as connection:
        assert connection.execute("select count(*) from crypto.daily_metrics").fetchall() == [(450,)]


@pytest.mark.parametrize("name", ["DBT_TARGET", "DBT_ENGINE_TARGET"])
def test_a_target_in_the_shell_is_the_target_of_dbt(name, artifacts, engine_settings, published):
    places = {"DBT_TARGET_PATH": str(artifacts), "CRYPTO_HOME": str(engine_settings.home), name: POSTGRES}
    done = run_command("source", "freshness", program=DBT, **places)
    assert done.returncode == 0 and "freshness of crypto.sync_runs" in done.stdout, done.stdout + done.stderr


def test_a_run_builds_everything_whatever_dbt_finds_in_the_shell(user, first_run, published):
    given = {"DBT_TARGET": POSTGRES, "DBT_RESOURCE_TYPES": "test", "DBT_EMPTY": "true", "DBT_PROFILE": "other"}
    summary = json.loads(user("crypto", "run", "--json", **given).splitlines()[-1])
    assert summary["ok"] and summary["build"]["passed"]["model"] >= 15 and summary["checks"]["passed"]["model"] == 2


def test_a_failed_command_on_postgres_is_tried_again_there(artifacts, engine_settings, published):
    """`dbt retry` repeats the last command with its target, which it does not name."""
    edit = "update crypto.daily_metrics set volume = volume {} 1, buy_volume = buy_volume {} 1 where symbol = 'BTC'"
    target = PROJECT / "target"
    with postgres.connect(engine_settings) as connection:
        connection.execute(edit.format("+", "+"))
    home = str(engine_settings.home)
    try:
        failing = ("test", "--target", POSTGRES, "-s", "test_name:published_as_recorded")
        assert run_command(*failing, program=DBT, CRYPTO_HOME=home).returncode == 1
    finally:
        with postgres.connect(engine_settings) as connection:
            connection.execute(edit.format("-", "-"))
    assert (target / "run_results.json").is_file()
    done = run_command("retry", program=DBT, CRYPTO_HOME=home)
    assert done.returncode == 0 and "PASS source_published_as_recorded" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["local", "databricks", "postgres"])
def test_parsing_warns_of_nothing_and_of_no_deprecation(target, tmp_path, engine_settings):
    given = {"DATABRICKS_HOST": "nowhere.example", "DATABRICKS_HTTP_PATH": "/sql/1.0/warehouses/none"}
    command = "parse --no-partial-parse --warn-error --show-all-deprecations"
    code, said = said_by(command, target, tmp_path, engine_settings.home, **given)
    assert code == 0 and "WARNING" not in said and "eprecat" not in said, said
