"""The command line: help at once, and one plain sentence where something is wrong."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import cli, dbt_command

CRYPTO = Path(sys.prefix) / "bin" / "crypto"
DBT = CRYPTO.with_name("dbt")


def run(*arguments, program=CRYPTO, **given):
    return subprocess.run(
        [program, *arguments],
        env=os.environ | no_settings() | given,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def sentence(done):
    """Return what a failed command said, which must be one line without a trace."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


def test_help_loads_neither_spark_nor_dbt():
    code = "import sys, lakehouse.cli; print([m for m in ('pyspark', 'dbt', 'pyarrow', 'psycopg') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert "crypto run" in run("run", "--help").stdout


def all_commands(group, path=()):
    for name, command in group.commands.items():
        yield from all_commands(command, (*path, name)) if hasattr(command, "commands") else [((*path, name), command)]


@pytest.mark.parametrize(
    ("path", "command"),
    list(all_commands(cli.main)),
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_each_command_has_an_example_that_parses(path, command):
    said = CliRunner().invoke(cli.main, [*path, "--help"]).output
    (example,) = re.findall(r"Example: crypto (.*)", said)
    words = shlex.split(example)
    assert tuple(words[: len(path)]) == path
    command.make_context(path[-1], words[len(path) :])


def test_generate_writes_once_and_if_empty_not_again(tmp_path):
    home = str(tmp_path / "home")
    first = run("generate", "--trades", "500", "--days", "2", "--files", "1", CRYPTO_HOME=home)
    assert first.returncode == 0 and "Wrote 500 trades" in first.stdout
    files = list((tmp_path / "home").rglob("*.parquet"))
    assert run("generate", "--if-empty", CRYPTO_HOME=home).returncode == 0
    assert list((tmp_path / "home").rglob("*.parquet")) == files


def test_a_missing_setting_is_one_sentence(tmp_path):
    done = run("run", CRYPTO_HOME=str(tmp_path), DB_ENDPOINT="db.example.com")
    assert "DB_NAME" in sentence(done)
    done = run("parse", program=DBT, CRYPTO_HOME=str(tmp_path), DB_ENDPOINT="db.example.com")
    assert "DB_NAME" in sentence(done)


def test_a_home_that_is_no_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    assert "not a folder" in sentence(run("run", CRYPTO_HOME=str(tmp_path / "file")))
    assert "can't be written" in sentence(run("run", CRYPTO_HOME=str(tmp_path / "file" / "home")))


def test_engine_status_does_not_start_it(tmp_path):
    done = run("engine", "status", CRYPTO_HOME=str(tmp_path / "home"))
    assert done.stdout == "The engine is not running.\n"
    assert run("engine", "stop", CRYPTO_HOME=str(tmp_path / "home")).stdout == "The engine was not running.\n"


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
