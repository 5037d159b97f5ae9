{#
    Drawdown: the value divided by the highest value so far, minus 1; 0 at a new high.
    Source: the definition. First bar: 1.
    Zero: -1, or null if nothing was above 0 before. Flat: 0. Null: null at that bar only. Gap: not detected, rows are
    counted. Single row: 0.
#}
{% macro drawdown(column, partition='symbol', bar='bars_seen') -%}
    ({{ column }} / nullif(max({{ column }}) over (partition by {{ partition }} order by {{ bar }}), 0) - 1)
{%- endmacro %}
