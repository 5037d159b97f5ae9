"""What the cards of the docs site say that others differ by is computed anew, and compared with their text."""

import numpy as np
import talib
import yaml
from support.indicator_reference import expected, market, recursion
from support.project import PROJECT

MACROS = yaml.safe_load((PROJECT / "macros/indicators/indicators.yml").read_text())["macros"]
CARDS = {macro["name"]: macro["description"] for macro in MACROS}
FRAME, OTHER = market(1).round(8), market(2).round(8)
OURS, CLOSE = expected(FRAME), FRAME.close
RETURN, OTHER_RETURN = np.log(CLOSE / CLOSE.shift()), np.log(OTHER.close / OTHER.close.shift())
TALIB = [FRAME[name].to_numpy() for name in ("high", "low", "close")]


def ema():
    off = (CLOSE.ewm(span=26, adjust=False).mean() / OURS.ema_26 - 1).abs()
    return f"is {off[25]:.2%} off at bar 26, {off[181]:.0e} of the value at bar 182"


def wilder():
    ours = recursion(CLOSE.to_numpy(), 1 / 14, 14)
    return f"the two means lie {(CLOSE.rolling(14).mean() / ours - 1).abs().mean():.1%} apart on average"


def rsi():
    change = CLOSE.diff()
    gain, loss = (change.clip(lower=0).rolling(14).mean(), -change.clip(upper=0).rolling(14).mean())
    cutler = 100 * gain / (gain + loss)
    off = (cutler - OURS.rsi_14).abs()
    sides = ((cutler > 70) != (OURS.rsi_14 > 70)) | ((cutler < 30) != (OURS.rsi_14 < 30))
    return (
        f"is {off.mean():.1f} points off on average and {off.max():.1f} at most, "
        f"and on {sides[14:].mean():.0%} of days it is on the other side of 30 or 70"
    )


def macd():
    line, signal, _ = talib.MACD(CLOSE.to_numpy(), 12, 26, 9)
    off = [np.abs(found - ours) / CLOSE * 1e4 for found, ours in ((line, OURS.macd), (signal, OURS.macd_signal))]
    return (
        f"TA-Lib is {off[0][33]:.0f} basis points of the close off at bar 34, its signal line {off[1][33]:.0f}, "
        f"and {off[1][99]:.4f} at bar 100"
    )


def bollinger():
    width = CLOSE.rolling(20).std() / CLOSE.rolling(20).std(ddof=0)
    return f"its bands are wider by the root of n / (n - 1), {width.median() - 1:.1%} at 20"


def true_range():
    ours = np.maximum(FRAME.high, CLOSE.shift()) - np.minimum(FRAME.low, CLOSE.shift())
    assert np.allclose(talib.TRANGE(*TALIB)[1:], ours[1:], rtol=1e-12)
    assert np.isnan(talib.TRANGE(*TALIB)[0])
    return "no difference from bar 2 on"


def atr():
    off = np.abs(talib.ATR(*TALIB, 14) / OURS.atr_14 - 1)
    return f"TA-Lib is {off[14]:.1%} off at bar 15, {off[99]:.3%} at bar 100"


def rolling_vwap():
    typical = (FRAME.high + FRAME.low + CLOSE) / 3
    of_typical = (typical * FRAME.volume).rolling(30).sum() / FRAME.volume.rolling(30).sum()
    of_daily = CLOSE.rolling(30).mean()
    off = [(found / OURS.vwap_30 - 1).abs().mean() for found in (of_daily, of_typical)]
    return f"a mean of daily ones is {off[0]:.2%} off on average, one from typical prices {off[1]:.2%}"


def log_return():
    return f"the two lie {(RETURN - CLOSE.pct_change()).abs().mean() * 1e4:.1f} basis points apart on average"


def volatility():
    theirs = RETURN.rolling(30).std() * np.sqrt(252)
    return f"lower by the root of 252 / 365, {(1 - theirs / OURS.volatility_30).mean():.0%}"


def drawdown():
    theirs = CLOSE / FRAME.high.cummax() - 1
    return f"those are {(OURS.drawdown - theirs).mean() * 100:.2f} points lower on average"


def correlation():
    ours, theirs = RETURN.rolling(30).corr(OTHER_RETURN), CLOSE.rolling(30).corr(OTHER.close)
    signs = (np.sign(ours) != np.sign(theirs))[30:].mean()
    return f"are {(ours - theirs).abs().mean():.2f} off on average, and of the other sign on {signs:.0%} of days"


MEASURED = {
    card.__name__: card
    for card in (
        ema,
        wilder,
        rsi,
        macd,
        bollinger,
        true_range,
        atr,
        rolling_vwap,
        log_return,
        volatility,
        drawdown,
        correlation,
    )
}


def test_a_card_says_by_how_much_others_differ():
    texts = {card: " ".join(CARDS[card].split()).replace(" %", "%") for card in MEASURED}
    assert {card: found() for card, found in MEASURED.items() if found() not in texts[card]} == {}
    assert {card for card, text in CARDS.items() if "Measured: " in text} == MEASURED.keys()
