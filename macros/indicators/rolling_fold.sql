{#
    A value computed from the list of the last `bars` values, oldest first, by SQL's `aggregate`: `start`, then `step`
    (a lambda of the state and the next value), then `finish` (a lambda of the state).
    A sliding `avg` or `stddev` is not used: an engine may update it by subtracting the value that leaves the window,
    which loses small values after a large one. A list is computed from the beginning for each bar.
    Source: the definition. First bar: `bars`.
    Zero, flat: up to the steps. Null: null for `bars` bars. Gap: not detected, rows are counted.
    Single row: null, unless bars = 1.
#}
{% macro rolling_fold(values, column, bars, start, step, finish, partition='symbol', bar='bars_seen') -%}
    {%- set window = rolling_window(bars, partition, bar) -%}
    case
        when count({{ column }}) {{ window }} = {{ bars }} then
            aggregate(collect_list({{ values }}) {{ window }}, {{ start }}, {{ step }}, {{ finish }})
    end
{%- endmacro %}
