"""Faults in the macros of indicators, and what the worked example says of each."""

RSI, SEED = "macros/indicators/rsi.sql", "macros/indicators/exponential_mean.sql"
GAIN = "wilder('(abs(' ~ change ~ ') + ' ~ change ~ ') / 2', bars, first, partition, bar)"
MOVEMENT = "wilder('abs(' ~ change ~ ')', bars, first, partition, bar)"


FAULTS = {
    # name: (edits of a file, the columns of the worked example that differ)
    "nothing": ([], set()),
    "a simple mean in Wilder's place": (
        [
            (RSI, GAIN, GAIN.replace("wilder(", "sma(").replace("first, ", "")),
            (RSI, MOVEMENT, MOVEMENT.replace("wilder(", "sma(").replace("first, ", "")),
        ],
        {"rsi_2"},
    ),
    "a phantom zero in the seed of RSI": (
        [
            (RSI, GAIN, GAIN.replace("' ~ change ~ '", "coalesce(' ~ change ~ ', 0)").replace("first, ", "1, ")),
            (
                RSI,
                MOVEMENT,
                MOVEMENT.replace("' ~ change ~ '", "coalesce(' ~ change ~ ', 0)").replace("first, ", "1, "),
            ),
        ],
        {"rsi_2"},
    ),
    "0 where there was no loss": ([(RSI, "= 0 then 100d else 100 *", "= 0 then 100d else 100 - 100 *")], {"rsi_2"}),
    "a seed of one value more": (
        [(SEED, "{%- set seed = first + bars - 1 -%}", "{%- set seed = first + bars -%}")],
        {"ema_3", "wilder_2", "rsi_2", "macd_2_3", "signal_2", "atr_2"},
    ),
    "a sample deviation in the bands": (
        [("macros/indicators/bollinger.sql", "bars, false, partition", "bars, true, partition")],
        {"bollinger_3"},
    ),
    "a window that starts short": (
        [
            (f"macros/indicators/{name}.sql", "{{ window }} = {{ bars }} then", "{{ window }} > 0 then")
            for name in ("rolling", "rolling_fold")
        ],
        {"sma_3", "bollinger_3"},
    ),
}
