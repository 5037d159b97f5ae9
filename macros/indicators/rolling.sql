{#
    An aggregate over the last `bars` bars, this one included.
    Source: the definition. First bar: `bars`.
    Zero and flat are what the aggregate makes of them; null gives null for `bars` bars; a gap is not seen: it counts
    bars, not time; a single row gives null, unless bars = 1.
#}
{% macro rolling(aggregate, column, bars, partition='symbol', bar='bars_seen') -%}
    {%- set window -%}
        over (partition by {{ partition }} order by {{ bar }} rows between {{ bars - 1 }} preceding and current row)
    {%- endset -%}
    case when count({{ column }}) {{ window }} = {{ bars }} then {{ aggregate }} {{ window }} end
{%- endmacro %}
