{#
    An aggregate over the last `bars` bars, the current one included.
    Source: the definition. First bar: `bars`.
    Zero, flat: up to the aggregate. Null: null for `bars` bars. Gap: not detected, rows are counted.
    Single row: null, unless bars = 1.
#}
{% macro rolling(aggregate, column, bars, partition='symbol', bar='bars_seen') -%}
    {%- set window = rolling_window(bars, partition, bar) -%}
    case when count({{ column }}) {{ window }} = {{ bars }} then {{ aggregate }} {{ window }} end
{%- endmacro %}


{#- The window of the last `bars` bars, the current one included. -#}
{% macro rolling_window(bars, partition, bar) -%}
    over (partition by {{ partition }} order by {{ bar }} rows between {{ bars - 1 }} preceding and current row)
{%- endmacro %}
