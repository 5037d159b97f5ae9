"""Recorded trades of four exchanges and published tables through the whole pipeline.

They are not part of the project: ``CRYPTO_REAL_DATA`` names their folder, as in
``CRYPTO_REAL_DATA=../shared/real .venv/bin/python -m pytest tests/python/system/test_real_data.py``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib
from support.isolation import no_settings
from support.project import PROJECT, REAL_DATA

from lakehouse import postgres
from lakehouse import settings as settings_module

pytestmark = pytest.mark.skipif(REAL_DATA is None, reason="CRYPTO_REAL_DATA names no folder of recorded trades")
BIN = Path(sys.prefix) / "bin"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data home with the real files, run twice: the quotes first, the recorded trades after them."""
    given = no_settings() | {"CRYPTO_HOME": str(tmp_path_factory.mktemp("real") / "home")}
    found = settings_module.load(given, PROJECT)
    summaries = []
    for folder in ("quotes_as_trades", "trades"):
        shutil.copytree(REAL_DATA / folder, Path(found.landing_zone) / folder)
        done = subprocess.run(
            [BIN / "crypto", "run", "--json"],
            env=os.environ | given,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        summaries.append(json.loads(done.stdout.splitlines()[-1]))
    yield found, summaries
    for server in ("engine", "postgres"):
        subprocess.run([BIN / "crypto", server, "stop"], env=os.environ | given, cwd=PROJECT, check=True)


@pytest.fixture(scope="module")
def frame(home):
    """Run a query in Postgres and return a data frame of floats."""

    def query(text):
        with postgres.connect(home[0]) as connection:
            cursor = connection.execute(text)
            columns = [column.name for column in cursor.description]
            return pd.DataFrame(cursor.fetchall(), columns=columns)

    return query


def test_every_row_lands_and_all_but_the_empty_one_count(home):
    rows = home[1][-1]["rows"]
    assert rows["bronze.trades"] == 2008 + 1488 + 19904 + 14515 + 9999 + 2331 + 2672 + 1000
    assert home[1][-1]["rejected"] == {"invalid_volume": 1}
    assert rows["silver.trades"] == rows["bronze.trades"] - 1


def test_the_hour_of_kraken_agrees_with_what_its_recorder_expects(home):
    import duckdb
    from deltalake import DeltaTable

    expected = pd.read_csv(REAL_DATA / "candles" / "cryptuoso_kraken_1h.csv")
    connection = duckdb.connect()
    table = DeltaTable(home[0].warehouse / "silver.db" / "candles_1h")
    connection.register("candles_1h", table.to_pyarrow_dataset())
    for row in expected.itertuples():
        found = connection.execute(
            "select open::double, close::double from candles_1h where symbol = ? and window_start = ?::timestamptz",
            [row.symbol, row.window_start],
        ).fetchall()
        assert found == [(row.open, row.close)]


def test_spy_indicators_agree_with_an_independent_author(frame):
    expected = pd.read_csv(REAL_DATA / "golden" / "skender_spy_502.csv")
    found = frame("select * from crypto.trading_indicators where symbol = 'AVAX' order by metric_date limit 502")
    names = ["ema_12", "ema_26", "macd", "macd_signal", "macd_histogram", "rsi_14"]
    names += ["bollinger_middle", "bollinger_upper", "bollinger_lower"]
    for name in names:
        np.testing.assert_allclose(found[name].astype(float), expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_bitcoin_indicators_agree_with_talib(frame):
    golden = pd.read_csv(REAL_DATA / "golden" / "binance_btcusdt_1d_2019.csv")
    found = frame("select * from crypto.trading_indicators where symbol = 'MATIC' order by metric_date limit 372")
    close = golden.close.to_numpy()
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    expected = {
        "close": close,
        "sma_7": talib.SMA(close, 7),
        "sma_30": talib.SMA(close, 30),
        "sma_200": talib.SMA(close, 200),
        "ema_12": talib.EMA(close, 12),
        "ema_26": talib.EMA(close, 26),
        "rsi_14": talib.RSI(close, 14),
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].astype(float), values, rtol=1e-9, err_msg=name)


def test_daily_candles_agree_with_the_exchange(frame):
    golden = pd.read_csv(REAL_DATA / "golden" / "binance_btcusdt_1d_2019.csv")
    found = frame("select * from crypto.daily_metrics where symbol = 'MATIC' order by metric_date limit 372")
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(found[name].astype(float), golden[name], rtol=1e-9, err_msg=name)
