"""Copies of the project with a fault in their values or contracts: its own tests find it, and say what it is.

What can be told without an engine is in test_house_rules.
"""

import contextlib

import jinja2
import pytest
from support.commands import runner
from support.project import PROJECT, copied, edited, indicator_macros

EXAMPLE = "tests/singular/assert_indicator_macros_equal_a_worked_example.sql"
RSI, SEED = "macros/indicators/rsi.sql", "macros/indicators/exponential_mean.sql"
GAIN = "wilder('(abs(' ~ change ~ ') + ' ~ change ~ ') / 2', bars, first, partition, bar)"
MOVEMENT = "wilder('abs(' ~ change ~ ')', bars, first, partition, bar)"

FAULTS = {
    # name: (edits of a file, the columns of the worked example that differ)
    "nothing": ([], set()),
    "a simple mean in Wilder's place": (
        [
            (RSI, GAIN, GAIN.replace("wilder(", "sma(").replace("first, ", "")),
            (RSI, MOVEMENT, MOVEMENT.replace("wilder(", "sma(").replace("first, ", "")),
        ],
        {"rsi_2"},
    ),
    "a phantom zero in the seed of RSI": (
        [
            (RSI, GAIN, GAIN.replace("' ~ change ~ '", "coalesce(' ~ change ~ ', 0)").replace("first, ", "1, ")),
            (
                RSI,
                MOVEMENT,
                MOVEMENT.replace("' ~ change ~ '", "coalesce(' ~ change ~ ', 0)").replace("first, ", "1, "),
            ),
        ],
        {"rsi_2"},
    ),
    "0 where there was no loss": ([(RSI, "= 0 then 100d else 100 *", "= 0 then 100d else 100 - 100 *")], {"rsi_2"}),
    "a seed of one value more": (
        [(SEED, "{%- set seed = first + bars - 1 -%}", "{%- set seed = first + bars -%}")],
        {"ema_3", "wilder_2", "rsi_2", "macd_2_3", "signal_2", "atr_2"},
    ),
    "a sample deviation in the bands": (
        [("macros/indicators/bollinger.sql", "bars, false, partition", "bars, true, partition")],
        {"bollinger_3"},
    ),
    "a window that starts short": (
        [
            (f"macros/indicators/{name}.sql", "{{ window }} = {{ bars }} then", "{{ window }} > 0 then")
            for name in ("rolling", "rolling_fold")
        ],
        {"sma_3", "bollinger_3", "vwap_2"},
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    copy = copied(tmp_path_factory.mktemp("broken") / "project")
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    return copy


@pytest.mark.parametrize("fault", FAULTS)
def test_the_worked_example_names_what_differs(copy, spark, fault):
    edits, wanted = FAULTS[fault]
    with contextlib.ExitStack() as stack:
        for path, old, new in edits:
            stack.enter_context(edited(copy, path, old, new))
        query = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
            indicator_macros(copy) + (copy / EXAMPLE).read_text()
        )
        found = spark.sql(query.render()).collect()
    assert {name for row in found for name in row.different.split(", ")} == wanted


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
def test_a_broken_contract_fails_before_the_table_is_touched(copy, spark, first_run, engine_settings, path, old, new):
    history = "describe history gold.market_overview"
    before = spark.sql(history).count()
    with edited(copy, path, old, new):
        said = runner(engine_settings.home)(copy, "! .venv/bin/dbt run -s market_overview")
    assert "This model has an enforced contract that failed" in said
    assert spark.sql(history).count() == before and spark.table("gold.market_overview").count() == 5


@pytest.mark.long
def test_a_changed_description_reaches_the_table_in_one_commit(copy, spark, first_run, engine_settings):
    def commits():
        history = spark.sql("describe history gold.market_overview").sort("version").collect()
        return [row.operation for row in history]

    def comments():
        return {row.col_name: row.comment for row in spark.sql("describe table gold.market_overview").collect()}

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
        assert build() == ["CHANGE COLUMNS"]
        new = {"close": "The day's last price, a \\ aside, in USD.", "category": "Kind of the asset."}
        assert comments() == kept | new
        assert build() == []
    with edited(copy, f"{OVERVIEW}.yml", "The whole market on one page", "The market on one page"):
        assert sorted(build()) == ["CHANGE COLUMNS", "SET TBLPROPERTIES"]
    build()
    assert comments() == kept
