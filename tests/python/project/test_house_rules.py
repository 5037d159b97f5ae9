"""The project keeps its house rules, and a copy that breaks one is told which."""

import pytest
from support.project import PROJECT, copied, edited

from tools import house_rules


def test_the_project_keeps_its_house_rules(tmp_path):
    assert house_rules.check(PROJECT, house_rules.parsed(PROJECT, tmp_path)) == []


OVERVIEW = "models/gold/market_overview"
OUTLIERS = "models/gold/price_outliers"
CASES = {
    # name: (file, old text, new text, rules broken)
    "a grain that the description does not repeat": (
        f"{OUTLIERS}.sql",
        "-- Grain: one row per trade whose price",
        "-- Grain: one row per order whose price",
        {"grain"},
    ),
    "an undocumented column": (
        f"{OUTLIERS}.yml",
        "        description: Price divided by median_7d; more than 3 or less than 1/3.\n",
        "",
        {"described"},
    ),
    "an undocumented column of a source": (
        "models/bronze/bronze.yml",
        'description: "Address of its home page."',
        'description: ""',
        {"described"},
    ),
    "a key that is not the tested one": (
        f"{OVERVIEW}.sql",
        "config(unique_key=['symbol'])",
        "config(unique_key=['symbol', 'as_of'])",
        {"key"},
    ),
    "a key that may be null": (
        f"{OUTLIERS}.yml",
        "        data_tests:\n          - not_null\n",
        "",
        {"key"},
    ),
    "a model without a test": (
        "models/silver/trades/rejected_trades.yml",
        "        data_tests: [not_null]\n",
        "",
        {"tested"},
    ),
    "a test that only warns": (
        f"{OVERVIEW}.yml",
        "{values: [overbought, oversold, neutral]}\n",
        "{values: [overbought, oversold, neutral]}\n              config: {severity: warn}\n",
        {"tested"},
    ),
    "a sliding mean": (
        f"{OVERVIEW}.sql",
        "{{ rolling('sum(volume)', 'volume', 30, bar='metric_date') }}",
        "avg(volume) over (partition by symbol order by metric_date rows between 29 preceding and current row)",
        {"engines"},
    ),
    "a clause that Sail lacks": (
        f"{OVERVIEW}.sql",
        "{{ rolling('sum(volume)', 'volume', 30, bar='metric_date') }} as volume_30d,",
        "sum(volume) as volume_30d, /* x */ row_number() over (order by symbol) as qualify,",
        {"engines"},
    ),
    "a decimal that a model casts to a double": (
        f"{OVERVIEW}.sql",
        "{{ as_double('close') }} as close",
        "cast(close as double) as close",
        {"engines"},
    ),
    "a decimal that a test of a model casts to a double": (
        "models/gold/trading_indicators.yml",
        "\"{{ as_double('close') }}\"",
        "double(close)",
        {"engines"},
    ),
    "a decimal that a generic test casts to a double": (
        "tests/generic/ohlc_order.sql",
        "where not coalesce(0 < low",
        "where not coalesce(0 < cast(low as double)",
        {"engines"},
    ),
    "a decimal that a test of its own casts to a double": (
        "tests/singular/assert_every_symbol_reaches_the_last_day_of_the_market.sql",
        "symbol, metric_date, is_complete,",
        "symbol, metric_date, is_complete, close::double,",
        {"engines"},
    ),
    "a macro without a header": (
        "macros/candles/window_start.sql",
        "{#-\n",
        "{%- set why %}{% endset %}\n{#-\n",
        {"macro_documented"},
    ),
    "an indicator that does not tell of gaps": (
        "macros/indicators/sma.sql",
        " Gap: not detected, rows are counted.",
        "",
        {"macro_documented"},
    ),
    "an argument that is not described": (
        "macros/indicators/drawdown.sql",
        "drawdown(column, partition",
        "drawdown(column, since, partition",
        {"macro_documented"},
    ),
    "a macro that nothing tests": (
        "macros/candles/unused.sql",
        None,
        "{#- Is called by nobody. -#}\n{% macro unused() %}\n    1\n{% endmacro %}\n",
        {"macro_tested"},
    ),
    "a layer skipped": (f"{OUTLIERS}.sql", "ref('trades')", "source('bronze', 'trades')", {"layers"}),
    "a layer read backwards": (
        "models/silver/trades/rejected_trades.sql",
        "from {{ ref('screened_trades') }}",
        "from {{ ref('price_outliers') }}",
        {"layers"},
    ),
    "a table where the folder has views": (
        "models/serving/latest_metrics.sql",
        "with\n",
        "{{ config(materialized='table') }}\n\nwith\n",
        {"materialized"},
    ),
    "a table of changes that takes any column": (
        "models/silver/candles/candles_1h.sql",
        "with candles",
        "{{ config(on_schema_change='ignore') }}\n\nwith candles",
        {"materialized"},
    ),
    "a gold model without a contract": (
        f"{OVERVIEW}.sql",
        "config(unique_key=['symbol'])",
        "config(unique_key=['symbol'], contract={'enforced': false})",
        {"owned"},
    ),
    "a model that nobody owns": (
        "dbt_project.yml",
        "            +schema: reading\n            +group: analytics\n",
        "            +schema: reading\n",
        {"owned"},
    ),
    "a published model that is no exposure": (
        "models/sync/exposures.yml",
        "      - ref('trading_indicators')\n",
        "",
        {"exposed"},
    ),
    "a published column that Postgres' source lacks": (
        "models/serving/crypto.yml",
        "          - name: sma_200\n            description: \"{{ doc('sma_200') }}\"\n",
        "",
        {"published"},
    ),
    "a freshness without a time": (
        "models/bronze/bronze.yml",
        "          loaded_at_field: ingestion_timestamp\n",
        "",
        {"exposed"},
    ),
    "a clock": (f"{OVERVIEW}.sql", "changes.metric_date as as_of", "current_date() as as_of", {"no_clock"}),
    "a clock of dbt's": (
        f"{OVERVIEW}.sql",
        "changes.metric_date as as_of",
        "date '{{ run_started_at }}' as as_of",
        {"no_clock"},
    ),
    "chance in a macro": (
        "macros/screening/trade_key.sql",
        "xxhash64(coalesce",
        "xxhash64(uuid(), coalesce",
        {"no_clock"},
    ),
    "a branch by target": (
        f"{OVERVIEW}.sql",
        "changes.metric_date as as_of",
        "{{ 'current' if target.type == 'databricks' }} changes.metric_date as as_of",
        {"one_text"},
    ),
    "a star over a source": (
        f"{OVERVIEW}.sql",
        "    select symbol, category, is_active\n",
        "    select symbols.*\n",
        {"star"},
    ),
    "a last line that chooses": (
        f"{OVERVIEW}.sql",
        "select * from overview",
        "select symbol, as_of from overview",
        {"star"},
    ),
    "a model that is too long": (f"{OUTLIERS}.sql", "with\n", "with\n" + 20 * "\n", {"short"}),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("broken") / "project")


@pytest.mark.parametrize("case", CASES)
def test_a_broken_copy_is_told_which_rule_it_breaks(copy, case):
    path, old, new, wanted = CASES[case]
    with edited(copy, path, old, new):
        found = house_rules.check(copy, house_rules.parsed(copy, copy / "target"))
    assert {problem.rule for problem in found} == wanted, found


def test_every_rule_has_a_copy_that_breaks_it():
    assert set().union(*(case[3] for case in CASES.values())) == set(house_rules.RULES)
