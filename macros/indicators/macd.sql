{#
    Moving average convergence divergence: the fast EMA less the slow one. Its signal line is `ema(macd, 9, first=26)`
    in the next CTE, since a window function cannot read another.
    Source: Gerald Appel. First bar: slow, and slow + 8 for the signal. TA-Lib starts both EMAs at the slow one's seed,
    so its early values differ; the difference fades.
    Zero, null, gap and a single row: as in ema; flat gives 0.
#}
{% macro macd(column, fast=12, slow=26, partition='symbol', bar='bars_seen') -%}
    (
        {{ ema(column, fast, 1, partition, bar) }}
        - {{ ema(column, slow, 1, partition, bar) }}
    )
{%- endmacro %}
