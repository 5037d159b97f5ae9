"""The project keeps its house rules, and of a copy that breaks them all each fault is found."""

from support.project import PROJECT, copied

from tools import house_rules

OVERVIEW, OUTLIERS = "models/gold/market_overview", "models/gold/price_outliers"
# rule: [(where it is broken, file, old text, new text)]
FAULTS = {
    "grain": [
        ("price_outliers", f"{OUTLIERS}.sql", "-- Grain: one row per trade whose", "-- Grain: one row per order whose"),
    ],
    "described": [
        (
            "price_outliers.price_ratio",
            f"{OUTLIERS}.yml",
            "        description: Price divided by median_7d; more than 3 or less than 1/3.\n",
            "",
        ),
        (
            "exchanges.website",
            "models/bronze/bronze.yml",
            'description: "Address of its home page."',
            "description: ''",
        ),
    ],
    "key": [
        (
            "market_overview",
            f"{OVERVIEW}.sql",
            "config(unique_key=['symbol'])",
            "config(unique_key=['symbol', 'as_of'])",
        ),
        ("price_outliers", f"{OUTLIERS}.yml", "        data_tests:\n          - not_null\n", ""),
    ],
    "tested": [
        ("rejected_trades", "models/silver/trades/rejected_trades.yml", "        data_tests: [not_null]\n", ""),
        (
            "accepted_values_market_overview_rsi_zone__overbought__oversold__neutral",
            f"{OVERVIEW}.yml",
            "{values: [overbought, oversold, neutral]}\n",
            "{values: [overbought, oversold, neutral]}\n              config: {severity: warn}\n",
        ),
    ],
    "macro_documented": [
        ("window_start.sql", "macros/candles/window_start.sql", "{#-\n", "\n{#-\n"),
        ("sma", "macros/indicators/sma.sql", " Gap: not detected, rows are counted.", ""),
    ],
    "layers": [
        ("correlations", "models/gold/correlations.sql", "ref('daily_metrics')", "source('bronze', 'trades')"),
        (
            "rejected_trades",
            "models/silver/trades/rejected_trades.sql",
            "from {{ ref('screened_trades') }}",
            "from {{ ref('price_outliers') }}",
        ),
    ],
    "materialized": [
        ("latest_metrics", "models/serving/latest_metrics.sql", "with\n", "{{ config(materialized='table') }}\nwith\n"),
    ],
    "owned": [
        (
            "exchange_spreads",
            "models/gold/exchange_spreads.sql",
            "config(",
            "config(contract={'enforced': false}, ",
        ),
        (
            "daily_series",
            "models/serving/daily_series.sql",
            "with\n",
            "{{ config(access='protected') }}\nwith\n",
        ),
    ],
    "exposed": [
        ("trading_indicators", "models/sync/exposures.yml", "      - ref('trading_indicators')\n", ""),
    ],
    "no_clock": [
        ("market_overview", f"{OVERVIEW}.sql", "changes.metric_date as as_of", "current_date() as as_of"),
        ("trade_key", "macros/screening/trade_key.sql", "xxhash64(coalesce", "xxhash64(uuid(), coalesce"),
    ],
    "one_text": [
        (
            "market_overview",
            f"{OVERVIEW}.sql",
            "changes.is_complete,",
            "{{ 'not' if target.type == 'databricks' }} changes.is_complete,",
        ),
    ],
    "engines": [
        (
            "market_overview",
            f"{OVERVIEW}.sql",
            "{{ rolling('sum(volume)', 'volume', 30, bar='metric_date') }}",
            "avg(volume) over (partition by symbol order by metric_date rows between 29 preceding and current row)",
        ),
        (
            "latest_metrics",
            "models/serving/latest_metrics.sql",
            "where metric_date = latest",
            "qualify metric_date = latest",
        ),
        (
            "trading_indicators_have_the_days_and_closes_of_daily_metrics",
            "models/gold/trading_indicators.yml",
            "\"{{ as_double('close') }}\"",
            "double(close)",
        ),
        (
            "test_ohlc_order",
            "tests/generic/ohlc_order.sql",
            "where not coalesce(0 < low",
            "where not coalesce(0 < cast(low as double)",
        ),
        (
            "assert_every_symbol_reaches_the_last_day_of_the_market",
            "tests/singular/assert_every_symbol_reaches_the_last_day_of_the_market.sql",
            "symbol, metric_date, is_complete,",
            "symbol, metric_date, is_complete, close::double,",
        ),
    ],
    "star": [
        ("market_overview", f"{OVERVIEW}.sql", "    select symbol, category, is_active\n", "    select symbols.*\n"),
        ("candles_1h", "models/silver/candles/candles_1h.sql", "select * from candles", "select symbol from candles"),
    ],
    "short": [
        ("price_outliers", f"{OUTLIERS}.sql", "with\n", "with\n" + 20 * "\n"),
    ],
}


def test_the_project_keeps_its_house_rules(tmp_path):
    assert house_rules.check(PROJECT, tmp_path) == []


def test_each_fault_of_a_broken_copy_is_found(tmp_path):
    copy = copied(tmp_path / "project")
    for faults in FAULTS.values():
        for _, path, old, new in faults:
            text = (copy / path).read_text()
            assert text.count(old) == 1, f"{path} does not hold {old!r} once"
            (copy / path).write_text(text.replace(old, new))
    found = {(rule, where) for rule, where, _ in house_rules.check(copy, tmp_path / "target")}
    assert found == {(rule, fault[0]) for rule, faults in FAULTS.items() for fault in faults}
    assert FAULTS.keys() == house_rules.RULES.keys()
