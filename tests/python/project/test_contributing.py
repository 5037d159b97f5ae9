"""CONTRIBUTING.md is replayed: each path's edits are applied to a copy of the project, which is then built."""

import re
import subprocess
from pathlib import Path

import pytest
from support.commands import runner
from support.isolation import no_settings
from support.project import PROJECT, copied

from commands.inspect import leftovers
from lakehouse import postgres
from lakehouse import settings as settings_module
from tools import house_rules

PAGE = (PROJECT / "CONTRIBUTING.md").read_text()
PATHS = dict(re.findall(r"^## \d (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
# The cases that break a copy of the copy on purpose would take minutes, and say nothing of the path.
NOT_A_COPYS_COPY = "not broken_copy"
COLUMN, INDICATOR, INTERVAL, MODEL, PUBLISHED, SYMBOL, RULE, TEST = PATHS


def steps(path: str) -> list[tuple[str, str, str]]:
    """Each fenced block of a path: its language, the file named on the line above (or before), its text."""
    file, found = "", []
    for named, language, text in re.findall(r"^`(\S+)`$|^```(\w+)\n(.*?)^```$", PATHS[path], re.DOTALL | re.MULTILINE):
        file = named or file
        if language:
            found.append((language, file, text))
    return found


def edit(file: Path, diff: str) -> None:
    """Replace the lines of the diff that are not new by those that do not go; they have to be there once."""
    lines = [(line[:1], line[1:]) for line in diff.splitlines(keepends=True)]
    old = "".join(text for mark, text in lines if mark != "+")
    new = "".join(text for mark, text in lines if mark != "-")
    pieces = ("\n" + file.read_text()).split("\n" + old)
    assert len(pieces) == 2, f"{file.name} holds {len(pieces) - 1} times:\n{old}"
    file.write_text(("\n" + new).join(pieces)[1:])


def apply(path: str, copy: Path, run=None) -> str:
    """Do what a path says; commands of dbt and crypto only if told how to run them. Return what they said."""
    said = ""
    for language, file, text in steps(path):
        if language == "diff":
            edit(copy / file, text)
        elif language == "sh" and not text.startswith(".venv/"):
            subprocess.run(["bash", "-euc", text], cwd=copy, check=True)
        elif language == "sh" and run:
            said += run(copy, text)
        elif file and language != "sh":
            (copy / file).write_text(text)
    return said


@pytest.fixture
def copy(tmp_path):
    copy = copied(tmp_path / "project")
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    return copy


def test_every_path_of_the_tree_is_worked_through():
    tree = PAGE.split("## What do you have in mind?")[1].split("```")[1]
    assert [line.split("► ")[1].split(",")[0] for line in tree.splitlines() if "►" in line] == [
        f"{number}  {'a' if title.startswith('A ') else 'an'}{title.removeprefix('An').removeprefix('A')}"
        for number, title in enumerate(PATHS, 1)
    ]


def test_all_examples_together_keep_the_house_rules(copy):
    for path in PATHS:
        apply(path, copy)
    assert house_rules.check(copy, copy / "target") == []


@pytest.mark.long
def test_all_examples_together_pass_what_make_lint_says_of_sql(copy):
    for path in PATHS:
        apply(path, copy)
    files = sorted({file for path in PATHS for _, file, _ in steps(path) if file.endswith(".sql")})
    command = [".venv/bin/sqlfluff", "lint", "--processes", "1", *files]
    lint = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout


@pytest.mark.long
def test_the_tests_of_the_project_itself_pass_after_all_paths(copy):
    """Those that `make test` runs without an engine on what a path edits, in a copy in which all were followed."""
    for path in PATHS:
        apply(path, copy)
    names = ("house_rules", "convention_cards", "one_sql_text", "seeds")
    tests = [f"tests/python/project/test_{name}.py" for name in names]
    command = [".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", NOT_A_COPYS_COPY, *tests]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_interval_is_built_as_the_page_says(copy, spark, first_run, engine_settings):
    said = apply(INTERVAL, copy, runner(engine_settings.home))
    assert "Completed successfully" in said and "unique_combination_candles_15m" in said
    try:
        found = spark.sql("""
            select sum(trade_count), sum(quote_volume), max(minute(window_start) % 15), count(*)
            from silver.candles_15m
        """).first()
        hours = spark.sql("select sum(trade_count), sum(quote_volume), count(*) from silver.candles_1h").first()
        assert tuple(found)[:3] == (*tuple(hours)[:2], 0) and found[3] > hours[2]
        assert "silver.candles_15m" in leftovers.find(engine_settings).lake
    finally:
        leftovers.remove(engine_settings, leftovers.Leftovers(("silver.candles_15m",), ()))
    assert "silver.candles_15m" not in leftovers.find(engine_settings).lake


@pytest.mark.long
def test_every_path_is_built_as_the_page_says(copy, tmp_path):
    """All of them, one after the other, in one copy and one small home."""
    home = tmp_path / "home"
    run = runner(home)
    settings = settings_module.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT)

    def rows(query):
        with postgres.connect(settings) as connection:
            return connection.execute(query).fetchall()

    try:
        run(copy, ".venv/bin/crypto generate --trades 3000 --days 60 && .venv/bin/crypto run")
        apply(COLUMN, copy, run)
        values = "count(sma_50), min(bars_seen) filter (where sma_50 is not null)"
        assert rows(f"select {values} from crypto.trading_indicators") == [(5 * 11, 50)]

        said = apply(INDICATOR, copy, run)
        assert "PASS assert_indicator_macros_equal_a_worked_example" in said
        apply(INTERVAL, copy, run)
        assert "PASS=" in apply(MODEL, copy, run)

        apply(PUBLISHED, copy, run)
        shares = "count(*), min(volume_share) > 0.2, max(volume_share) < 1"
        assert rows(f"select {shares} from crypto.daily_leaders") == [(60, True, True)]

        doge = ".venv/bin/crypto generate --symbols DOGE --trades 500 --days 60 --files 1 --seed 7 --to "
        run(copy, f"{doge} '{home}/landing/trades/doge' && .venv/bin/crypto run")
        assert rows("select count(*) from crypto.daily_metrics where symbol = 'DOGE'") == [(0,)]
        (insert,) = [text for language, _, text in steps(SYMBOL) if language == "sql"]
        with postgres.connect(settings) as connection:
            connection.execute(insert)
        apply(SYMBOL, copy, run)
        assert rows("select count(*), max(symbol_name) from crypto.daily_metrics where symbol = 'DOGE'") == [
            (60, "Dogecoin")
        ]
        assert "Completed successfully" in apply(RULE, copy, run)
        assert "PASS daily_metrics_rows_keep_their_rules" in apply(TEST, copy, run)
    finally:
        run(copy, ".venv/bin/crypto engine stop; .venv/bin/crypto postgres stop")
