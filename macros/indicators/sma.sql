{#
    Simple moving average: the mean of the last `bars` values.
    Source: TA-Lib SMA. First bar: `bars`.
    Zero: a value like any other. Flat: that value. Null: null for `bars` bars. Gap: not detected, rows are counted.
    Single row: null.
#}
{% macro sma(column, bars, partition='symbol', bar='bars_seen') -%}
    {{
        rolling_fold(
            column, column, bars, '0d', '(total, value) -> total + value', 'total -> total / ' ~ bars, partition, bar
        )
    }}
{%- endmacro %}
