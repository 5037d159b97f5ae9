"""Random markets, and the indicators computed from them by plain recursions, as DESIGN defines them."""

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

DAYS = 400
NAN = float("nan")


def market(seed: int, days: int = DAYS, price: float = 100.0, step: float = 0.03) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(random.normal(0, step, days)))
    open_ = close * np.exp(random.normal(0, step / 3, days))
    return candles(
        close,
        high=np.maximum(open_, close) * (1 + random.uniform(0, step, days)),
        low=np.minimum(open_, close) * (1 - random.uniform(0, step, days)),
        volume=random.uniform(0.5, 5, days),
    )


def candles(close, high=None, low=None, volume=None) -> pd.DataFrame:
    close = np.asarray(close, dtype=float)
    high = close if high is None else high
    low = close if low is None else low
    volume = np.ones(len(close)) if volume is None else volume
    return pd.DataFrame({"high": high, "low": low, "close": close, "volume": volume})


def recursion(values: np.ndarray, alpha: float, bars: int) -> np.ndarray:
    """Mean of the first ``bars`` values that are there, then alpha x value + (1 - alpha) x previous."""
    result = np.full(len(values), NAN)
    first = int(np.isnan(values).sum())
    if len(values) >= first + bars:
        result[first + bars - 1] = values[first : first + bars].mean()
        for row in range(first + bars, len(values)):
            result[row] = alpha * values[row] + (1 - alpha) * result[row - 1]
    return result


def recursive_rsi(values: np.ndarray) -> np.ndarray:
    change = np.concatenate([[NAN], np.diff(values)])
    gain, loss = (recursion(np.where(np.isnan(change), NAN, np.maximum(s * change, 0)), 1 / 14, 14) for s in (1, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isnan(gain), NAN, np.where(loss == 0, 100, 100 * gain / (gain + loss)))


def expected(frame: pd.DataFrame) -> pd.DataFrame:
    exact = frame.round(8)
    close, high, low, volume = (exact[name] for name in ("close", "high", "low", "volume"))
    previous = close.shift()
    ema_12, ema_26 = recursion(close.to_numpy(), 2 / 13, 12), recursion(close.to_numpy(), 2 / 27, 26)
    signal = recursion(ema_12 - ema_26, 0.2, 9)
    true_range = np.fmax(np.fmax(high - low, (high - previous).abs()), (low - previous).abs()).to_numpy()

    def rolling(values, bars, function):
        result = np.full(len(values), NAN)
        if len(values) >= bars:
            result[bars - 1 :] = [function(window) for window in sliding_window_view(np.asarray(values), bars)]
        return result

    def vwap(bars):
        bought = rolling(volume, bars, np.sum)
        with np.errstate(invalid="ignore"):
            return np.where(bought > 0, rolling(volume * close, bars, np.sum) / bought, NAN)

    middle, deviation = rolling(close, 20, np.mean), rolling(close, 20, np.std)
    return pd.DataFrame(
        {
            "close": close,
            "sma_7": rolling(close, 7, np.mean),
            "sma_30": rolling(close, 30, np.mean),
            "sma_200": rolling(close, 200, np.mean),
            "ema_12": ema_12,
            "ema_26": ema_26,
            "macd": ema_12 - ema_26,
            "macd_signal": signal,
            "macd_histogram": ema_12 - ema_26 - signal,
            "rsi_14": recursive_rsi(close.to_numpy()),
            "bollinger_middle": middle,
            "bollinger_upper": middle + 2 * deviation,
            "bollinger_lower": middle - 2 * deviation,
            "atr_14": recursion(true_range, 1 / 14, 14),
            "vwap_7": vwap(7),
            "vwap_30": vwap(30),
            "volatility_30": rolling(np.log(close / previous), 30, lambda part: np.std(part, ddof=1)) * np.sqrt(365),
            "drawdown": close / close.cummax() - 1,
        }
    )
