"""The benchmark of the indicators, in short form."""

import pytest

from benchmarks import indicators


@pytest.mark.long
def test_indicators_take_linear_time_and_equal_talib(spark):
    indicators.measure(spark, 1_000)
    short, long = (indicators.measure(spark, bars) for bars in (60_000, 240_000))
    assert long["macros"] < 6 * short["macros"]
    assert max(short["off"], long["off"]) < 1e-9
