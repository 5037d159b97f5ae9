"""`make lint` finds what breaks the style of SQL, and passes; so do the hooks of pre-commit, without a network."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.project import PROJECT, copied

PROGRAMS = Path(sys.executable).parent


def test_lint_finds_what_breaks_the_style(tmp_path):
    copy = copied(tmp_path / "project")
    file = copy / "models/gold/market_overview.sql"
    text = file.read_text().replace(
        "select symbol, metric_date, symbol_name,", "SELECT symbol, metric_date, symbol_name,"
    )
    file.write_text(text.replace("left join symbols on", "left join symbols as s on"))
    found = subprocess.run(
        [PROGRAMS / "sqlfluff", "lint", "--processes", "1", file.relative_to(copy)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode and "CP01" in found.stdout and "AL06" in found.stdout


@pytest.mark.long
def test_make_lint_and_the_hooks_pass():
    subprocess.run(["make", "lint"], cwd=PROJECT, check=True)
    subprocess.run([PROGRAMS / "pre-commit", "run", "--all-files"], cwd=PROJECT, check=True)
