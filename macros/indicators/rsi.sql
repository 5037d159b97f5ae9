{#
    Relative strength index: 100 * mean gain / (mean gain + mean loss), both Wilder's; the two means add up to the
    mean of the absolute change. `change` is the value less the one of the bar before, null on the first bar.
    Source: Wilder (1978); TA-Lib RSI, TradingView ta.rsi. First bar: bars + 1.
    Zero is a change like others; no loss gives 100, also when flat from the start (TradingView; TA-Lib gives 0 there); no gain gives 0; flat later
    keeps the value; null gives null ever after; a gap is not seen; a single row gives null.
#}
{% macro rsi(change, bars, first=2, partition='symbol', bar='bars_seen') -%}
    {%- set gain = wilder('(abs(' ~ change ~ ') + ' ~ change ~ ') / 2', bars, first, partition, bar) -%}
    {%- set movement = wilder('abs(' ~ change ~ ')', bars, first, partition, bar) -%}
    case when {{ movement }} = 0 then 100 else 100 * ({{ gain }} / {{ movement }}) end
{%- endmacro %}
