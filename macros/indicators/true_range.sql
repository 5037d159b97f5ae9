{#
    True range: the largest of high - low, |high - previous close| and |low - previous close|, written as the range
    and what the previous close lies outside it. On the first bar it is high - low.
    Source: Wilder (1978); TradingView ta.tr(true). TA-Lib has none on the first bar. First bar: 1.
    Zero or flat gives 0; a null candle gives null; a gap is not seen: the bar before counts; a single row gives
    high - low.
#}
{% macro true_range(high, low, close, partition='symbol', bar='bars_seen') -%}
    {%- set previous -%} lag({{ close }}) over (partition by {{ partition }} order by {{ bar }}) {%- endset -%}
    ({{ high }} - {{ low }} + greatest({{ previous }} - {{ high }}, {{ low }} - {{ previous }}, 0))
{%- endmacro %}
