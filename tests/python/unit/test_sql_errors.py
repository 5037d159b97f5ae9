"""What an analyst is told of a statement that Sail does not take."""

import pytest
from dbt.adapters.localspark import sql_errors

MODEL = [
    "select symbol, close",
    "from {{ ref('daily_metrics') }}",
    "where symbol not in (select symbol_a from {{ a }})",
]


@pytest.mark.parametrize(
    ("spot", "line"),
    [
        ("symbol not in (select symbol_a from gold.correlations)", 3),
        ("select symbol, close\nfrom gold.daily_metrics", 1),
        # The word stands in two lines.
        ("symbol is null", 0),
        ("clsoe", 0),
        ("", 0),
    ],
)
def test_the_line_of_a_spot_is_found_as_far_as_no_jinja_stands_in_it(spot, line):
    assert sql_errors._line(MODEL, spot) == line


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('attribute ObjectName([Identifier("clsoe")]) is missing from the schema', "did you mean close?"),
        ("Schema error: No field named clsoe. Valid fields are", "There is no column clsoe; did you mean close?"),
        ("function: zip_with", "Sail has no function zip_with; write it in another way"),
        ("Schema error: Invalid data type for Delta Lake: Duration(µs)", "A Delta table can't hold an interval"),
        ("found from at 7:11 expected something", "line 1, column 8 of the compiled text, near `from x`"),
        ('thread panicked with message "index out of bounds"', "Sail failed on this statement (index out of bounds)"),
        ("can't cast Decimal128(18, 8) to Utf8View", "can't cast decimal(18,8) to string"),
    ],
)
def test_errors_say_what_to_write_in_the_words_of_sql(said, sentence):
    assert sentence in sql_errors.readable(said, "select from x", ["close", "open"])
