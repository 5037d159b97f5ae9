{#
    An aggregate over the last `bars` bars, this one included.
    First bar: `bars`. Null while fewer values than that are in the window: before the first bar, and for the
    `bars` bars from a null on. It counts bars, not time. A single row gives null, unless bars = 1.
#}
{% macro rolling(aggregate, column, bars, partition='symbol', bar='bars_seen') -%}
    {%- set window -%}
        over (partition by {{ partition }} order by {{ bar }} rows between {{ bars - 1 }} preceding and current row)
    {%- endset -%}
    case when count({{ column }}) {{ window }} = {{ bars }} then {{ aggregate }} {{ window }} end
{%- endmacro %}
