{#
    Exponential moving average: alpha = 2 / (bars + 1), seeded with the mean of the first `bars` values.
    Source: TA-Lib EMA. First bar: first + bars - 1.
    Zero, flat, null, gap and single row: as in exponential_mean.
#}
{% macro ema(column, bars, first=1, partition='symbol', bar='bars_seen') -%}
    {{ exponential_mean(column, 2 / (bars + 1), bars, first, partition, bar) }}
{%- endmacro %}
