{#
    Average true range: Wilder's mean of the true range.
    Source: Wilder (1978); TradingView ta.atr. First bar: `bars`.
    Zero, flat, null, gap and single row: as in exponential_mean.
#}
{% macro atr(true_range, bars, partition='symbol', bar='bars_seen') -%}
    {{ wilder(true_range, bars, 1, partition, bar) }}
{%- endmacro %}
