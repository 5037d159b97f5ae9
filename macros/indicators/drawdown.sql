{#
    Drawdown: the value by the highest one so far, less 1.
    Source: the definition. First bar: 1.
    Zero gives -1; flat gives 0; null gives null at that bar only; a gap is not seen; a single row gives 0.
    A highest value of 0 gives null.
#}
{% macro drawdown(column, partition='symbol', bar='bars_seen') -%}
    ({{ column }} / nullif(max({{ column }}) over (partition by {{ partition }} order by {{ bar }}), 0) - 1)
{%- endmacro %}
