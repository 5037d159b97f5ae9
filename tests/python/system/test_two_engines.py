"""Sail and Apache Spark compute the same tables: each replays a home that the other built."""

import pytest
from deltalake import DeltaTable
from support.replay import Home

EQUAL = "Every silver and gold table is equal, value for value."


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home of 2,000 dirty trades, of which a quarter came late."""
    found = Home(tmp_path_factory.mktemp("engines") / "home")
    found.generate(1500, days=40, seed=7)
    found.build()
    found.generate(500, days=20, seed=8)
    found.build()
    yield found
    found.stop()


@pytest.mark.long
def test_apache_spark_replays_what_sail_built(home):
    screened = DeltaTable(home.place / "warehouse/silver.db/screened_trades").to_pyarrow_table(columns=["reason"])
    assert len(set(screened["reason"].to_pylist())) > 5
    assert EQUAL in home.run("crypto", "verify", "--target", "spark", "--seed", "1", "--batches", "2")


def test_apache_spark_computes_single_models_over_what_sail_built(home):
    table = DeltaTable(home.place / "warehouse/silver.db/candles_1d")
    version = table.version()
    table.update({"vwap": "vwap * (1 + 1e-15)"}, predicate="symbol = 'BTC'")
    said = home.run("crypto", "verify", "--select", "trading_indicators candles_1d", "--target", "spark", status=1)
    DeltaTable(home.place / "warehouse/silver.db/candles_1d").restore(version)
    assert "silver.candles_1d: " in said and ": vwap is " in said
    assert "Computing gold.trading_indicators ..." in said and "gold.trading_indicators: " not in said


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_sail_replays_what_apache_spark_built(tmp_path):
    home = Home(tmp_path / "home")
    try:
        home.generate(1500, days=250, seed=7)
        home.build("spark")
        # Sail opens the home and goes on with it, then Spark again.
        home.generate(500, days=20, seed=8)
        home.build()
        home.generate(500, days=60, seed=9)
        home.build("spark")
        for target in ("local", "spark"):
            assert EQUAL in home.run("crypto", "verify", "--target", target, "--seed", "2", "--batches", "2")
    finally:
        home.stop()
