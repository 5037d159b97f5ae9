"""The command line: help at once, and one plain sentence where something is wrong."""

import re
import shlex
import subprocess
import sys

import pytest
from support.commands import DBT, error_sentence, run_command

from commands import cli, dbt_command


def test_help_loads_neither_spark_nor_dbt():
    code = "import sys, commands.cli; print([m for m in ('pyspark', 'dbt', 'pyarrow', 'psycopg') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert "crypto run" in run_command("run", "--help").stdout


def all_commands(group, path=()):
    for name, command in group.commands.items():
        yield from all_commands(command, (*path, name)) if hasattr(command, "commands") else [((*path, name), command)]


@pytest.mark.parametrize(
    ("path", "command"),
    list(all_commands(cli.main)),
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_each_command_has_an_example_that_parses(path, command):
    (example,) = re.findall(r"Example: crypto (.*)", command.help)
    words = shlex.split(example)
    assert tuple(words[: len(path)]) == path
    command.make_context(path[-1], words[len(path) :])


def test_generate_writes_once_and_if_empty_not_again(tmp_path):
    home = str(tmp_path / "home")
    first = run_command("generate", "--trades", "500", "--days", "2", "--files", "1", CRYPTO_HOME=home)
    assert first.returncode == 0 and "Wrote 500 trades" in first.stdout
    files = list((tmp_path / "home").rglob("*.parquet"))
    assert run_command("generate", "--if-empty", CRYPTO_HOME=home).returncode == 0
    assert list((tmp_path / "home").rglob("*.parquet")) == files


def test_a_missing_setting_is_one_sentence(tmp_path):
    done = run_command("run", CRYPTO_HOME=str(tmp_path), DB_ENDPOINT="db.example.com")
    assert "DB_NAME" in error_sentence(done)
    done = run_command("parse", program=DBT, CRYPTO_HOME=str(tmp_path), DB_ENDPOINT="db.example.com")
    assert "DB_NAME" in error_sentence(done)


def test_a_home_that_is_no_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    assert "not a folder" in error_sentence(run_command("run", CRYPTO_HOME=str(tmp_path / "file")))
    assert "can't be written" in error_sentence(run_command("run", CRYPTO_HOME=str(tmp_path / "file" / "home")))


def test_engine_status_does_not_start_it(tmp_path):
    done = run_command("engine", "status", CRYPTO_HOME=str(tmp_path / "home"))
    assert done.stdout == "The engine is not running.\n"
    assert run_command("engine", "stop", CRYPTO_HOME=str(tmp_path / "home")).stdout == "The engine was not running.\n"


@pytest.mark.parametrize(
    ("line", "writes"),
    [
        ("build", True),
        ("--quiet run -s gold", True),
        ("seed --target=local", True),
        ("run --target databricks", False),
        ("test -s gold", False),
        ("show -s daily_metrics", False),
        ("build --help", False),
    ],
)
def test_dbt_commands_that_write_into_the_local_lake_are_known(line, writes, monkeypatch):
    monkeypatch.delenv("DBT_TARGET", raising=False)
    assert dbt_command.writes(line.split()) == writes
    monkeypatch.setenv("DBT_TARGET", "databricks")
    assert dbt_command.writes(line.split()) == (writes and "local" in line)
