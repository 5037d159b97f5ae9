"""The project's generic dbt tests pass good rows and find bad ones, nulls included."""

import pytest
import yaml
from support.generic_tests import numbers, rendered
from support.project import PROJECT


def rows(columns: str, *values: str) -> str:
    return f"(select * from values {', '.join(values)} as given ({columns}))"


KEY = {"columns": ["symbol", "day"]}
DAY = {"column_name": "day", "partition_by": "symbol"}
CLOSED, OPEN = {"column_name": "value", "min_value": 0, "max_value": 1}, {"inclusive": False}
HERE = rows("symbol, value", "('BTC', 1)", "('BTC', 1)", "('ETH', null)")
SPLIT = [rows("volume", "(2)"), rows("volume", "(3)", "(null)")]
NONE = "(select 1 as volume where false)"
CANDLES = rows("trade_count, volume, quote_volume", "(2, 3.5, 7.5)", "(1, 1.5, 2.5)")
FINER = rows("trade_count, volume, quote_volume", "(1, 3.0, 7.0)", "(1, 0.5, 0.5)", "(1, 1.5, 2.5)")
TRADES = rows("volume, quote_volume", "(3.0, 7.0)", "(0.5, 0.5)", "(1.5, 2.5)")
NO_CANDLES = "(select 1 as trade_count, 1.5 as volume, 2.5 as quote_volume where false)"
RULES = {"rules": {"positive": "value > 0", "small": "value < 9"}}

CASES = {
    # name: (test, model, arguments, rows found)
    "unique combination passes": ("unique_combination", rows("symbol, day", "('BTC', 1)", "('BTC', 2)"), KEY, 0),
    "unique combination finds a double": (
        "unique_combination",
        rows("symbol, day", "('BTC', 1)", "('BTC', 1)"),
        KEY,
        1,
    ),
    "unique combination finds a double null": (
        "unique_combination",
        rows("symbol, day", "('BTC', null)", "('BTC', null)"),
        KEY,
        1,
    ),
    "holds all of passes the same sums": (
        "holds_all_of",
        rows("trade_count, volume, quote_volume", "(3, 2, 4)"),
        {"finer": rows("trade_count, volume, quote_volume", "(1, 1, 3)", "(2, 1, 1)")},
        0,
    ),
    "holds all of finds a missing trade": (
        "holds_all_of",
        rows("trade_count, volume, quote_volume", "(2, 2, 4)"),
        {"finer": rows("trade_count, volume, quote_volume", "(1, 1, 3)", "(2, 1, 1)")},
        1,
    ),
    "holds all of finds candles without trades": (
        "holds_all_of",
        rows("trade_count, volume, quote_volume", "(1, 1, 3)"),
        {"finer": "(select 1 as volume, 1 as quote_volume where false)", "of_trades": True},
        1,
    ),
    "range passes its edges": ("in_range", rows("value", "(0d)", "(1d)"), CLOSED, 0),
    "range finds what is outside": ("in_range", rows("value", "(-0.1d)", "(0.5d)", "(1.1d)"), CLOSED, 2),
    "open range finds its edges": ("in_range", rows("value", "(0d)", "(0.5d)", "(1d)"), CLOSED | OPEN, 2),
    "range refuses null": ("in_range", rows("value", "(0d)", "(null)"), CLOSED, 1),
    "range passes null if told": ("in_range", rows("value", "(0d)", "(null)"), CLOSED | {"allow_null": True}, 0),
    "range refuses not a number": (
        "in_range",
        rows("value", "(1d)", "(double('NaN'))"),
        {"column_name": "value", "min_value": 0, "allow_null": True},
        1,
    ),
    "no gaps passes days in a row": (
        "no_gaps",
        rows("symbol, day", "('BTC', date '2024-02-28')", "('BTC', date '2024-02-29')", "('ETH', date '2024-03-02')"),
        DAY,
        0,
    ),
    "no gaps finds a missing day": (
        "no_gaps",
        rows("symbol, day", "('BTC', date '2024-02-28')", "('ETH', date '2024-02-29')", "('BTC', date '2024-03-01')"),
        DAY,
        1,
    ),
    "no gaps finds a day twice": (
        "no_gaps",
        rows("symbol, day", "('BTC', date '2024-02-28')", "('BTC', date '2024-02-28')"),
        DAY,
        1,
    ),
    "no gaps finds a null": ("no_gaps", rows("symbol, day", "('BTC', cast(null as date))"), DAY, 1),
    "ohlc order passes": ("ohlc_order", rows("open, high, low, close", "(2, 3, 1, 2)", "(1, 1, 1, 1)"), {}, 0),
    "ohlc order finds each disorder": (
        "ohlc_order",
        rows("open, high, low, close", "(4, 3, 1, 2)", "(2, 3, 1, 4)", "(0, 3, 1, 2)", "(2, 3, 1, 0)", "(0, 0, 0, 0)"),
        {},
        5,
    ),
    "ohlc order finds each null": (
        "ohlc_order",
        rows("open, high, low, close", "(null, 3, 1, 2)", "(2, null, 1, 2)", "(2, 3, null, 2)", "(2, 3, 1, null)"),
        {},
        4,
    ),
    "equal relations pass": ("equal_relations", HERE, {"compare_to": HERE, "columns": ["symbol", "value"]}, 0),
    "equal relations find a row that is there less often": (
        "equal_relations",
        HERE,
        {"compare_to": rows("symbol, value", "('BTC', 1)", "('ETH', null)"), "columns": ["symbol", "value"]},
        1,
    ),
    "equal relations find a row on either side": (
        "equal_relations",
        HERE,
        {
            "compare_to": rows("symbol, value", "('BTC', 1)", "('BTC', 2)", "('ETH', null)"),
            "columns": ["symbol", "value"],
        },
        2,
    ),
    "conservation passes rows": ("conservation", rows("volume", "(1)", "(1)", "(1)"), {"parts": SPLIT}, 0),
    "conservation finds a lost row": ("conservation", rows("volume", "(1)", "(1)"), {"parts": SPLIT}, 1),
    "conservation passes a sum": ("conservation", rows("volume", "(5)"), {"parts": SPLIT, "measure": "sum(volume)"}, 0),
    "conservation finds a lost sum": (
        "conservation",
        rows("volume", "(4)"),
        {"parts": SPLIT, "measure": "sum(volume)"},
        1,
    ),
    "conservation passes nothing": ("conservation", NONE, {"parts": [NONE], "measure": "sum(volume)"}, 0),
    "candles hold all finer candles": ("holds_all_of", CANDLES, {"finer": FINER}, 0),
    "candles hold all trades": ("holds_all_of", CANDLES, {"finer": TRADES, "of_trades": True}, 0),
    "candles hold nothing of nothing": ("holds_all_of", NO_CANDLES, {"finer": NO_CANDLES}, 0),
    "candles lack all trades": ("holds_all_of", NO_CANDLES, {"finer": TRADES, "of_trades": True}, 1),
    "candles hold trades of nothing": ("holds_all_of", CANDLES, {"finer": NO_CANDLES}, 1),
    "candles lack a trade": ("holds_all_of", CANDLES.replace("(2,", "(1,"), {"finer": FINER}, 1),
    "candles lack volume": ("holds_all_of", CANDLES.replace("3.5", "3.4"), {"finer": FINER}, 1),
    "candles lack quote volume": ("holds_all_of", CANDLES.replace("7.5", "7.4"), {"finer": FINER}, 1),
    "row rules pass": ("row_rules", rows("value", "(1)", "(8)"), RULES, 0),
    "row rules pass no rows": ("row_rules", "(select 1 as value where false)", RULES, 0),
    "row rules find each broken rule": ("row_rules", rows("value", "(0)", "(-1)", "(9)"), RULES, 2),
    "row rules find a null": ("row_rules", rows("value", "(cast(null as int))"), RULES, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_finds_what_is_wrong_and_nothing_else(spark, case):
    test, model, arguments, wanted = CASES[case]
    found = spark.sql(rendered(test, model, **arguments)).collect()
    assert len(found) == wanted, found


def test_closes_are_compared_as_the_indicators_convert_them(spark):
    """A direct cast of 123456789.12345679 is another double than the nearest one, on Sail and on Spark."""
    described = yaml.safe_load((PROJECT / "models/gold/trading_indicators.yml").read_text())["models"][0]
    (given,) = [test["equal_relations"]["arguments"] for test in described["data_tests"] if "equal_relations" in test]
    columns = [numbers(column) for column in given["columns"]]
    assert len(columns) == 3
    closes = "'BTC', date '2024-01-01', 123456789.12345679", "'ETH', date '2024-01-01', 1775.23750207"
    metrics = rows("symbol, metric_date, close", *(f"({row})" for row in closes))
    indicators = rows("symbol, metric_date, close", *(f"({row}d)" for row in closes))
    assert spark.sql(rendered("equal_relations", indicators, compare_to=metrics, columns=columns)).collect() == []


def test_a_broken_rule_is_named(spark):
    found = spark.sql(rendered("row_rules", rows("value", "(0)", "(-1)", "(8)"), **RULES)).collect()
    assert [tuple(row) for row in found] == [("positive", 2)]


def test_every_generic_test_has_a_case_that_passes_and_one_that_fails():
    # Those of the sync's log run in Postgres: test_published_checks has their cases.
    in_postgres = {"published_as_recorded", "synced_lately"}
    tests = {path.stem for path in (PROJECT / "tests" / "generic").glob("*.sql")} - in_postgres
    assert {case[0] for case in CASES.values() if case[3] == 0} == tests
    assert {case[0] for case in CASES.values() if case[3] > 0} == tests
