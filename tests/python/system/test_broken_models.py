"""Copies of the project with a fault or another description, built by dbt on what the first run left."""

import contextlib

import pytest
from deltalake import DeltaTable
from support.commands import runner
from support.indicator_faults import FAULTS
from support.project import PROJECT, copied, edited


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    copy = copied(tmp_path_factory.mktemp("broken") / "project")
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    return copy


@pytest.mark.long
def test_dbt_fails_on_a_wrong_indicator(copy, first_run, engine_settings):
    run = runner(engine_settings.home)
    edits, _ = FAULTS["a simple mean in Wilder's place"]
    with contextlib.ExitStack() as stack:
        for path, old, new in edits:
            stack.enter_context(edited(copy, path, old, new))
        said = run(copy, "! .venv/bin/dbt test -s assert_indicator_macros_equal_a_worked_example")
    assert "FAIL 1 assert_indicator_macros_equal_a_worked_example" in said


OVERVIEW = "models/gold/market_overview"


@pytest.fixture
def overview(engine_settings, first_run):
    """Open the table as it is now; its log is read without an engine, since Sail has no `describe history`."""
    return lambda: DeltaTable(engine_settings.warehouse / "gold.db" / "market_overview")


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (f"{OVERVIEW}.sql", "        changes.close,\n", "        cast(changes.close as decimal(18, 8)) as close,\n"),
        (f"{OVERVIEW}.sql", "        changes.change_30d,\n", ""),
        (f"{OVERVIEW}.yml", "data_type: decimal(38,8)", "data_type: decimal(38,4)"),
    ],
    ids=["another type", "a column less", "a contract of another type"],
)
def test_a_broken_contract_fails_before_the_table_is_touched(copy, overview, engine_settings, path, old, new):
    before = len(overview().history())
    with edited(copy, path, old, new):
        said = runner(engine_settings.home)(copy, "! .venv/bin/dbt run -s market_overview")
    assert "This model has an enforced contract that failed" in said
    assert len(overview().history()) == before and overview().to_pyarrow_table().num_rows == 5


@pytest.mark.long
def test_a_changed_description_reaches_the_table_and_an_unchanged_one_makes_no_commit(copy, overview, engine_settings):
    def commits():
        return [commit["operation"] for commit in sorted(overview().history(), key=lambda commit: commit["version"])]

    def comments():
        return {field.name: field.metadata.get("comment") for field in overview().schema().fields}

    def build():
        before = commits()
        runner(engine_settings.home)(copy, ".venv/bin/dbt run -s market_overview")
        return commits()[len(before) :]

    build()
    assert build() == []
    kept = comments()
    with (
        edited(copy, f"{OVERVIEW}.yml", "Close of that day in USD.", "The day's last price, a \\ aside, in USD."),
        edited(copy, f"{OVERVIEW}.yml", "Category of the asset in the reference.", "Kind of the asset."),
    ):
        assert build() == ["UPDATE FIELD METADATA"] * 2
        new = {"close": "The day's last price, a \\ aside, in USD.", "category": "Kind of the asset."}
        assert comments() == kept | new
        assert build() == []
    with edited(copy, f"{OVERVIEW}.yml", "The whole market on one page", "The market on one page"):
        assert sorted(build()) == ["UPDATE FIELD METADATA"] * 2 + ["UPDATE TABLE METADATA"]
    build()
    assert comments() == kept
