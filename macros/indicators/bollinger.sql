{#
    A Bollinger band: the mean of the last `bars` values plus `deviations` population standard deviations
    (negative for the lower band).
    Source: John Bollinger; TA-Lib BBANDS. First bar: `bars`.
    Zero: a value like any other. Flat: the mean, so that the bands meet. Null: null for `bars` bars.
    Gap: not detected, rows are counted. Single row: null.
#}
{% macro bollinger(column, deviations, bars=20, partition='symbol', bar='bars_seen') -%}
    (
        {{ sma(column, bars, partition, bar) }}
        + {{ deviations }} * {{ deviation(column, bars, false, partition, bar) }}
    )
{%- endmacro %}
