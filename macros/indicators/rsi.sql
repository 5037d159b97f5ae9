{#
    Relative strength index: 100 * mean gain / (mean gain + mean loss), both Wilder's means. Their sum is computed as
    the mean of the absolute change. `change` is the value minus the one of the bar before, null on the first bar.
    Source: Wilder (1978); TradingView ta.rsi. First bar: bars + 1.
    Zero: a change like any other. No loss: 100. No gain: 0. Flat: 100 from the start; a series that turns flat later
    keeps its value. Null: null from then on. Gap: not detected, rows are counted. Single row: null.
#}
{% macro rsi(change, bars, first=2, partition='symbol', bar='bars_seen') -%}
    {%- set gain = wilder('(abs(' ~ change ~ ') + ' ~ change ~ ') / 2', bars, first, partition, bar) -%}
    {%- set movement = wilder('abs(' ~ change ~ ')', bars, first, partition, bar) -%}
    case when {{ movement }} = 0 then 100d else 100 * ({{ gain }} / {{ movement }}) end
{%- endmacro %}
