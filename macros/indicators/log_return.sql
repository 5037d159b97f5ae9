{#
    Log return: the natural logarithm of the value divided by that of the bar before.
    Source: the definition. First bar: 2.
    Zero: null at that bar and the next. Flat: 0. Null: null at that bar and the next. Gap: not detected, the row before
    counts. Single row: null.
#}
{% macro log_return(column, partition='symbol', bar='bars_seen') -%}
    ln({{ column }} / nullif(lag({{ column }}) over (partition by {{ partition }} order by {{ bar }}), 0))
{%- endmacro %}
