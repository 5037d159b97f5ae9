{#
    Simple moving average: the mean of the last `bars` values.
    Source: TA-Lib SMA. First bar: `bars`.
    Zero is a value like others; flat gives that value; null gives null for `bars` bars;
    a gap is not seen, bars are counted; a single row gives null.
#}
{% macro sma(column, bars, partition='symbol', bar='bars_seen') -%}
    {{ rolling('avg(' ~ column ~ ')', column, bars, partition, bar) }}
{%- endmacro %}
