{#
    Average true range: Wilder's mean of the true range.
    Source: Wilder (1978); TradingView and talipp agree; TA-Lib, without a first true range, starts one bar later from
    another seed. First bar: `bars`.
    Zero, flat, null, gap and a single row: as in exponential_mean.
#}
{% macro atr(true_range, bars, partition='symbol', bar='bars_seen') -%}
    {{ wilder(true_range, bars, 1, partition, bar) }}
{%- endmacro %}
