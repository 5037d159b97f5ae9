"""`make lint` finds what breaks the style of SQL; the hooks of pre-commit need no network."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.project import PROJECT, copied, edited

PROGRAMS = Path(sys.executable).parent


def lint(folder, *files):
    return subprocess.run(
        [PROGRAMS / "sqlfluff", "lint", "--processes", "1", *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("select symbol, metric_date, symbol_name,", "SELECT symbol, metric_date, symbol_name,", "CP01"),
        ("left join symbols on", "left join symbols as s on", "AL06"),
        ("days_back = 1", "days_back = 1", None),
    ],
)
def test_lint_finds_what_breaks_the_style(tmp_path, old, new, rule):
    copy = copied(tmp_path / "project")
    file = "models/gold/market_overview.sql"
    with edited(copy, file, old, new):
        found = lint(copy, file)
    assert rule in found.stdout if rule else found.returncode == 0, found.stdout


def test_hooks_of_pre_commit_are_programs_of_the_environment():
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")
        assert (PROJECT / hook["entry"].split()[0]).exists()


@pytest.mark.long
def test_make_lint_and_the_hooks_pass():
    subprocess.run(["make", "lint"], cwd=PROJECT, check=True)
    subprocess.run([PROGRAMS / "pre-commit", "run", "--all-files"], cwd=PROJECT, check=True)
