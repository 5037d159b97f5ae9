"""The indicators against the plain recursion, TA-Lib, talipp and published tables.

The real models and macros run: their text is rendered without dbt, over temporary views, all series at once.
"""

import os
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import pytest
import talib
import talipp.indicators
from support.indicator_reference import DAYS, candles, expected, market, recursion, recursive_rsi
from support.project import PROJECT, indicator_macros
from talipp.ohlcv import OHLCV

FIRST_DAY = pd.Timestamp("2023-01-01")
NAN = float("nan")

# DESIGN 6: relative to the value, and relative to the close for differences of large numbers.
RELATIVE = 1e-9
OF_CLOSE = {"macd": 1e-12, "macd_signal": 1e-12, "macd_histogram": 1e-12, "atr_14": 1e-12}
ABSOLUTE = {"volatility_30": 1e-12, "drawdown": 1e-12, "rsi_14": 1e-10, "correlation": 1e-9}


def rendered(text: str, view: str) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    return environment.from_string(indicator_macros(PROJECT) + text).render(config=lambda **_: "", ref=lambda _: view)


def model(name: str) -> str:
    return (PROJECT / "models" / "gold" / f"{name}.sql").read_text()


# --- the series, one symbol each ---------------------------------------------------------------------------------


def filled(series: pd.DataFrame, missing: slice) -> pd.DataFrame:
    """The series as daily_metrics fills it: flat at the previous close, without volume."""
    series = series.copy()
    rows = series.index[missing]
    series.loc[rows, ["high", "low", "close"]] = series.loc[rows[0] - 1, "close"]
    series.loc[rows, "volume"] = 0.0
    return series


SERIES = {
    "random": market(1),
    "random_other": market(2),
    "calm": market(3, step=0.0001),
    "wild": market(4, step=0.3),
    "huge_prices": market(5, price=1e9, step=0.002),
    "tiny_prices": market(6, price=3e-6, step=0.05),
    "all_gains": candles(100 + np.arange(60)),
    "all_losses": candles(1000 - 7.0 * np.arange(60)),
    "flat": candles(np.full(60, 5.0)),
    "flat_later": candles(np.concatenate([100 + np.sin(np.arange(40)), np.full(200, 100.0)])),
    "gap": filled(market(7, days=120), slice(50, 90)),
    "one_bar": market(8, days=1),
    "warm_up": market(9, days=33),
}


def daily_metrics(series: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All series as rows of daily_metrics, exact decimals, interleaved by day."""
    frames = []
    for symbol, frame in series.items():
        exact = {name: [Decimal(f"{value:.8f}") for value in frame[name]] for name in frame}
        exact["quote_volume"] = [a * b for a, b in zip(exact["volume"], exact["close"], strict=True)]
        days = pd.date_range(FIRST_DAY, periods=len(frame)).date
        frames.append(pd.DataFrame({"symbol": symbol, "metric_date": days, **exact}))
    return pd.concat(frames).sort_values(["metric_date", "symbol"], ignore_index=True)


SCHEMA = (
    "symbol string, metric_date date, high decimal(18,8), low decimal(18,8), close decimal(18,8), "
    "volume decimal(28,8), quote_volume decimal(38,16)"
)


def run(spark, given: pd.DataFrame, schema: str, text: str) -> pd.DataFrame:
    """What the text, a model or a query over ref('given'), makes of the rows given."""
    view = f"given_{uuid.uuid4().hex}"
    spark.createDataFrame(given, schema).createOrReplaceTempView(view)
    found = spark.sql(rendered(text, view)).toPandas()
    spark.catalog.dropTempView(view)
    return found


@pytest.fixture(scope="module")
def given() -> pd.DataFrame:
    return daily_metrics(SERIES)


@pytest.fixture(scope="module")
def indicators(spark, given) -> dict[str, pd.DataFrame]:
    found = run(spark, given, SCHEMA, model("trading_indicators"))
    return {symbol: rows.sort_values("metric_date", ignore_index=True) for symbol, rows in found.groupby("symbol")}


def assert_close(name: str, found, wanted, close) -> None:
    found, wanted = np.asarray(found, dtype=float), np.asarray(wanted, dtype=float)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted), err_msg=f"{name}: nulls")
    there = ~np.isnan(wanted)
    allowed = RELATIVE * np.abs(wanted) + OF_CLOSE.get(name, 0) * np.asarray(close, dtype=float) + ABSOLUTE.get(name, 0)
    assert (np.abs(found - wanted) <= allowed)[there].all(), (
        f"{name}: off by up to {np.nanmax(np.abs(found - wanted) / allowed):.3g} times what is allowed"
    )


@pytest.mark.parametrize("case", SERIES)
def test_equal_to_the_recursion(indicators, case):
    found, wanted = indicators[case], expected(SERIES[case])
    assert list(found.bars_seen) == list(range(1, len(wanted) + 1))
    for name in wanted:
        assert_close(name, found[name], wanted[name], wanted.close)


@pytest.mark.parametrize("case", [name for name, frame in SERIES.items() if len(frame) >= 60])
def test_equal_to_talib(indicators, case):
    found, frame = indicators[case], SERIES[case].round(8)
    close = frame.close.to_numpy()
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    wanted = {
        "sma_7": talib.SMA(close, 7),
        "sma_30": talib.SMA(close, 30),
        "sma_200": talib.SMA(close, 200),
        "ema_12": talib.EMA(close, 12),
        "ema_26": talib.EMA(close, 26),
        "macd": talib.EMA(close, 12) - talib.EMA(close, 26),
        "rsi_14": talib.RSI(close, 14),
    }
    if case not in ("flat", "flat_later", "gap"):  # it takes a small deviation for none
        wanted |= {"bollinger_upper": upper, "bollinger_middle": middle, "bollinger_lower": lower}
    if case == "flat":
        assert set(wanted.pop("rsi_14")[14:]) == {0.0}, "TA-Lib calls a series without any change 0, we and others 100"
        assert set(found.rsi_14[14:]) == {100.0}
    for name, values in wanted.items():
        assert_close(name, found[name], values, close)


def test_talib_differs_as_documented(indicators):
    """Its ATR has no first true range, its MACD delays EMA 12 to EMA 26's seed; both differences fade."""
    found, frame = indicators["random"], SERIES["random"].round(8)
    high, low, close = (frame[name].to_numpy() for name in ("high", "low", "close"))
    atr, macd = talib.ATR(high, low, close, 14), talib.MACD(close, 12, 26, 9)[0]
    assert np.isnan(atr[13]) and not np.isnan(found.atr_14[13])
    assert abs(found.atr_14[14] - atr[14]) > 1e-6 * atr[14]
    assert abs(found.atr_14[DAYS - 1] - atr[-1]) < 1e-9 * atr[-1]
    assert np.isnan(macd[:33]).all() and abs(found.macd[33] - macd[33]) > 1e-6
    assert abs(found.macd[DAYS - 1] - macd[-1]) < 1e-9 * close[-1]


@pytest.mark.parametrize("case", ["random", "wild", "tiny_prices", "gap"])
def test_equal_to_talipp(indicators, case):
    found, frame = indicators[case], SERIES[case].round(8)
    close = frame.close.tolist()
    bars = [OHLCV(row.close, row.high, row.low, row.close, row.volume) for row in frame.itertuples()]
    macd = talipp.indicators.MACD(12, 26, 9, close)
    wanted = {
        "sma_30": list(talipp.indicators.SMA(30, close)),
        "ema_12": list(talipp.indicators.EMA(12, close)),
        "rsi_14": list(talipp.indicators.RSI(14, close)),
        "atr_14": list(talipp.indicators.ATR(14, bars)),
        "macd": [value and value.macd for value in macd],
        "macd_signal": [value and value.signal for value in macd],
        "macd_histogram": [value and value.histogram for value in macd],
    }
    for name, values in wanted.items():
        assert_close(name, found[name], [NAN if value is None else value for value in values], close)


def test_hourly_indicators_are_the_same_on_traded_hours(spark):
    """Every third hour has trades: the bars are those, and the values those of a series without gaps."""
    series = {"random": market(13, days=60), "one_bar": market(14, days=1)}
    given = daily_metrics(series)
    given["window_start"] = pd.Timestamp(FIRST_DAY) + 3 * (
        pd.to_datetime(given.metric_date) - pd.Timestamp(FIRST_DAY)
    ).map(lambda days: pd.Timedelta(hours=days.days))
    schema = SCHEMA.replace("metric_date date", "window_start timestamp")
    given = given[[column.split()[0] for column in schema.split(", ")]]
    found = run(spark, given, schema, model("hourly_indicators"))
    for symbol, rows in found.sort_values("window_start").groupby("symbol"):
        wanted = expected(series[symbol])
        for name in ("close", "ema_12", "ema_26", "macd", "macd_signal", "rsi_14", "atr_14"):
            assert_close(name, rows[name], wanted[name], wanted.close)


# --- correlations -------------------------------------------------------------------------------------------------


def test_correlations_equal_numpy(spark, given):
    found = run(spark, given, SCHEMA, model("correlations"))
    assert (found.symbol_a < found.symbol_b).all()
    returns = {name: np.log(frame.close.round(8)).diff().to_numpy()[1:] for name, frame in SERIES.items()}
    symbols = sorted(name for name in SERIES if len(returns[name]))
    assert set(zip(found.symbol_a, found.symbol_b, strict=True)) == {(a, b) for a in symbols for b in symbols if a < b}
    for (a, b), rows in found.sort_values("metric_date").groupby(["symbol_a", "symbol_b"]):
        length = min(len(returns[a]), len(returns[b]))
        assert len(rows) == length
        for bars in (30, 90):
            wanted = np.full(length, NAN)
            for end in range(bars, length + 1):
                left, right = returns[a][end - bars : end], returns[b][end - bars : end]
                if np.ptp(left) > 1e-12 and np.ptp(right) > 1e-12:
                    wanted[end - 1] = np.corrcoef(left, right)[0, 1]
            assert_close("correlation", rows[f"correlation_{bars}"], wanted, np.zeros(length))


# --- the recursion in blocks --------------------------------------------------------------------------------------


def computed(spark, series: dict[str, pd.DataFrame], **columns: str) -> dict[str, pd.DataFrame]:
    """The macros' values, a column each, on series of doubles with the columns they name."""
    frames = [frame.assign(symbol=name, bars_seen=np.arange(1, len(frame) + 1)) for name, frame in series.items()]
    given = pd.concat(frames)
    schema = ", ".join(
        f"{name} {'string' if name == 'symbol' else 'bigint' if name == 'bars_seen' else 'double'}" for name in given
    )
    given = given.astype(object).where(given.notna(), None)
    listed = ", ".join(f"{{{{ {text} }}}} as {name}" for name, text in columns.items())
    change = "close - lag(close) over (partition by symbol order by bars_seen) as change"
    high_low = "{{ true_range('high', 'low', 'close') }} as true_range" if "high" in given else "null as true_range"
    changes = f"select *, {change}, {high_low} from {{{{ ref('given') }}}}"
    found = run(spark, given, schema, f"with changes as ({changes}) select symbol, bars_seen, {listed} from changes")
    return {name: rows.sort_values("bars_seen", ignore_index=True) for name, rows in found.groupby("symbol")}


def closes(values) -> pd.DataFrame:
    return pd.DataFrame({"close": np.asarray(values, dtype=float)})


def test_blocks_join_without_a_seam(spark):
    """A short period has short blocks: 1,000 bars cross many of EMA 2's borders, and two of EMA 5's."""
    random = np.random.default_rng(10)
    series = {
        "walk": 1e6 + np.cumsum(random.normal(0, 1, 1000)),
        "signs": random.normal(0, 1, 1000),
        "spikes": np.where(np.arange(1000) % 400 == 399, 1e10, 1e-8),
    }
    periods = (1, 2, 3, 5, 26, 200)
    found = computed(
        spark,
        {name: closes(values) for name, values in series.items()},
        **{f"ema_{bars}": f"ema('close', {bars})" for bars in periods},
    )
    for name, values in series.items():
        for bars in periods:
            wanted = recursion(values, 2 / (bars + 1), bars)
            np.testing.assert_allclose(found[name][f"ema_{bars}"], wanted, rtol=RELATIVE, atol=1e-12)


def test_null_stays_null_as_in_the_recursion(spark):
    values = np.arange(1.0, 61.0)
    values[40] = NAN
    found = computed(spark, {"hole": closes(values)}, ema="ema('close', 12)", sma="sma('close', 7)")["hole"]
    assert list(np.flatnonzero(found.ema.isna())) == [*range(11), *range(40, 60)]
    assert list(np.flatnonzero(found.sma.isna())) == [*range(6), *range(40, 47)]


def test_an_average_of_a_late_starter_is_seeded_late(spark):
    values = np.random.default_rng(11).normal(5, 1, 300)
    values[:150] = NAN
    found = computed(
        spark,
        {"late": closes(values)},
        short="ema('close', 2, first=151)",
        long="ema('close', 9, first=151)",
    )["late"]
    np.testing.assert_allclose(found.short, recursion(values, 2 / 3, 2), rtol=RELATIVE)
    np.testing.assert_allclose(found.long, recursion(values, 0.2, 9), rtol=RELATIVE)


def test_rsi_keeps_its_value_on_a_long_flat_tail(spark):
    """Gains and losses fade alike, to 1e-290 after 9,000 bars; their ratio must not break at a block's end."""
    moves = np.where(np.arange(40) % 3, 1.0, -1.0)
    values = np.concatenate([10 + np.cumsum(moves), np.full(9000, 10 + moves.sum())])
    found = computed(spark, {"tail": closes(values)}, rsi="rsi('change', 14)")["tail"].rsi
    np.testing.assert_allclose(found, recursive_rsi(values), rtol=RELATIVE)


@pytest.mark.long
def test_a_year_of_minutes_equals_the_recursion(spark):
    values = 100 * np.exp(np.cumsum(np.random.default_rng(12).normal(0, 0.001, 500_000)))
    found = computed(
        spark,
        {"minutes": closes(values)},
        ema_12="ema('close', 12)",
        ema_200="ema('close', 200)",
        rsi="rsi('change', 14)",
        macd="macd('close')",
    )["minutes"]
    wanted = {bars: recursion(values, 2 / (bars + 1), bars) for bars in (12, 26, 200)}
    np.testing.assert_allclose(found.ema_12, wanted[12], rtol=RELATIVE)
    np.testing.assert_allclose(found.ema_200, wanted[200], rtol=RELATIVE)
    np.testing.assert_allclose(found.rsi, recursive_rsi(values), rtol=RELATIVE)
    np.testing.assert_allclose(found.macd, wanted[12] - wanted[26], rtol=RELATIVE, atol=1e-12 * values.max())


# --- published tables ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def golden() -> Callable[[str], pd.DataFrame]:
    folder = os.environ.get("CRYPTO_REAL_DATA")
    if not folder:
        pytest.skip("CRYPTO_REAL_DATA does not name the folder of published tables")
    return lambda name: pd.read_csv(Path(folder) / "golden" / f"{name}.csv")


def test_skender(spark, golden):
    """An independent author's spreadsheets: 502 days of SPY."""
    table = golden("skender_spy_502")
    macros = {
        "sma_20": "sma('close', 20)",
        "ema_20": "ema('close', 20)",
        "ema_12": "ema('close', 12)",
        "ema_26": "ema('close', 26)",
        "macd": "macd('close')",
        "rsi_14": "rsi('change', 14)",
        "bollinger_middle": "sma('close', 20)",
        "bollinger_upper": "bollinger('close', 2)",
        "bollinger_lower": "bollinger('close', -2)",
        "stddev_10": "rolling('stddev_pop(close)', 'close', 10)",
        "wilder_20": "wilder('close', 20)",
        "correlation_20": "correlation('close', 'close_other', 20, partition='symbol')",
        # Its ATR has no true range on the first bar.
        "atr_14": "wilder('case when bars_seen > 1 then true_range end', 14, first=2)",
    }
    given = table[["high", "low", "close", "close_other"]]
    found = computed(spark, {"SPY": given}, **macros, our_atr="atr('true_range', 14)")["SPY"]
    signal = computed(spark, {"SPY": found[["macd"]].assign(close=0.0)}, macd_signal="ema('macd', 9, first=26)")["SPY"]
    for name in macros:
        np.testing.assert_allclose(found[name], table[name], rtol=RELATIVE, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(signal.macd_signal, table.macd_signal, rtol=RELATIVE, atol=1e-9)
    assert abs(found.our_atr[14] - table.atr_14[14]) > 1e-3 * table.atr_14[14], "documented: another seed"
    assert abs(found.our_atr[501] - table.atr_14[501]) < 1e-9


@pytest.mark.parametrize(
    ("table", "macros", "allowed"),
    [
        ("stockcharts_rsi", {"rsi_14": "rsi('change', 14)"}, 5e-3),
        ("stockcharts_average", {"sma_10": "sma('close', 10)", "ema_10": "ema('close', 10)"}, 6e-3),
        (
            "stockcharts_bollinger",
            {
                "bollinger_middle": "sma('close', 20)",
                "bollinger_upper": "bollinger('close', 2)",
                "bollinger_lower": "bollinger('close', -2)",
            },
            5e-4,
        ),
    ],
)
def test_stockcharts(spark, golden, table, macros, allowed):
    """Worked examples, as far as their rounding lets one compare."""
    wanted = golden(table)
    found = computed(spark, {"given": wanted[["close"]]}, **macros)["given"]
    for name in macros:
        np.testing.assert_allclose(found[name], wanted[name], atol=allowed, rtol=0, err_msg=name)


def test_stockcharts_atr(spark, golden):
    wanted = golden("stockcharts_atr")
    high, low = wanted[["high", "low"]].max(axis=1), wanted[["high", "low"]].min(axis=1)
    given = pd.DataFrame({"high": high, "low": low, "close": wanted.close})
    found = computed(spark, {"given": given}, atr_14="atr('true_range', 14)")["given"]
    np.testing.assert_allclose(found.atr_14, wanted.atr_14, atol=5e-3, rtol=0)


def test_stockcharts_macd_starts_at_the_first_close(spark, golden):
    """Documented: the sheet's EMAs start from the first close, ours from a mean; the difference fades."""
    wanted = golden("stockcharts_macd")
    found = computed(spark, {"given": wanted[["close"]]}, macd="macd('close')", ema_26="ema('close', 26)")["given"]
    off = (found.macd - wanted.macd).abs()
    assert off[25] > 0.01
    assert off[len(off) - 1] < 1e-3
    faded = 0.01 + (25 / 27) ** np.arange(len(off) - 25) * abs(found.ema_26[25] - wanted.ema_26[25])
    assert ((found.ema_26 - wanted.ema_26).abs()[25:] <= faded).all()


def test_binance_year_equals_talib(spark, golden):
    table = golden("binance_btcusdt_1d_2019")
    close = table.close.to_numpy()
    found = computed(
        spark,
        {"BTC": table[["high", "low", "close"]]},
        ema="ema('close', 26)",
        rsi="rsi('change', 14)",
        upper="bollinger('close', 2)",
        atr="wilder('case when bars_seen > 1 then true_range end', 14, first=2)",
    )["BTC"]
    np.testing.assert_allclose(found.ema, talib.EMA(close, 26), rtol=RELATIVE)
    np.testing.assert_allclose(found.rsi, talib.RSI(close, 14), rtol=RELATIVE)
    np.testing.assert_allclose(found.upper, talib.BBANDS(close, 20, 2, 2)[0], rtol=RELATIVE)
    high, low = table.high.to_numpy(), table.low.to_numpy()
    np.testing.assert_allclose(found.atr, talib.ATR(high, low, close, 14), rtol=RELATIVE)
