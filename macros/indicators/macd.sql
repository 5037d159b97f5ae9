{#
    Moving average convergence divergence: the fast EMA minus the slow one. The signal line, `ema(macd, 9, first=26)`,
    has to be in a later CTE, since a window function cannot read another; the histogram is the macd minus its signal.
    Source: Gerald Appel. First bar: `slow`; of the signal line slow + 8.
    Zero, null, gap and single row: as in ema. Flat: 0.
#}
{% macro macd(column, fast=12, slow=26, partition='symbol', bar='bars_seen') -%}
    (
        {{ ema(column, fast, 1, partition, bar) }}
        - {{ ema(column, slow, 1, partition, bar) }}
    )
{%- endmacro %}
