"""Sums of quote volume at the edge of their type: exact below it, its largest value beyond, on both engines."""

from decimal import Decimal, localcontext
from fractions import Fraction

import jinja2
import pytest
from support.project import PROJECT

LARGEST = Decimal("9999999999999999999999.9999999999999999")
SERIES = {
    "tiny": ["0.0000000000000001"] * 3,
    "mixed": ["99999999980000000001", "0.0000000000000001", "12.3456789012345678"],
    "just fits": ["9999999999999999999999.9999999999999998", "0.0000000000000001"],
    "just too large": ["9999999999999999999999.9999999999999999", "0.0000000000000001"],
    "far too large": ["9999999999999999999999.9999999999999999"] * 40,
    "zero": ["0", "0"],
    "halves": ["4999999999999999999999.9999999999999999", "4999999999999999999999.9999999999999999"],
}


def macro(name: str, *arguments: str) -> str:
    source = (PROJECT / "macros" / "numbers" / "wide_sum.sql").read_text()
    return getattr(jinja2.Environment().from_string(source).module, name)(*arguments)


@pytest.fixture(params=["sail", "spark"])
def engine(request):
    return request.getfixturevalue("spark" if request.param == "sail" else "apache_spark")


def rows(texts: list[str]) -> str:
    values = ", ".join(f"({number}, cast('{text}' as decimal(38, 16)))" for number, text in enumerate(texts))
    return f"(select * from values {values} as given (bar, amount))"


@pytest.mark.parametrize("name", SERIES)
def test_a_sum_is_exact_or_the_largest_value(engine, name):
    with localcontext(prec=60):
        exact = sum(map(Decimal, SERIES[name]))
    capped, text = macro("capped_sum", "amount"), macro("wide_sum", "amount")
    found, double = engine.sql(f"select {capped}, cast({text} as double) from {rows(SERIES[name])}").first()
    assert found == min(exact, LARGEST)
    assert double == float(Fraction(exact))


def test_no_row_has_no_sum(engine):
    query = f"select {macro('capped_sum', 'amount')} from {rows(['1'])} where bar > 5"
    assert engine.sql(query).first() == (None,)


def test_a_moving_sum_is_exact_after_what_was_too_large(engine):
    texts = ["0.5", "9999999999999999999999.9999999999999999", "9999999999999999999999", "0.0000000000000001", "1", "2"]
    window = "over (order by bar rows between 1 preceding and current row)"
    query = f"select cast({macro('wide_sum', 'amount', window)} as double) from {rows(texts)} order by bar"
    amounts = [Fraction(text) for text in texts]
    expected = [float(sum(amounts[max(0, place - 1) : place + 1])) for place in range(len(amounts))]
    assert [value for (value,) in engine.sql(query).collect()] == expected
