{#
    True range: the largest of high - low, |high - previous close| and |low - previous close|; on the first bar
    high - low. It is computed as high - low plus the distance of the previous close from that range.
    Source: Wilder (1978); TradingView ta.tr(true). First bar: 1.
    Zero, flat: 0. Null: null for a null candle. Gap: not detected, the row before counts. Single row: high - low.
#}
{% macro true_range(high, low, close, partition='symbol', bar='bars_seen') -%}
    {%- set previous -%} lag({{ close }}) over (partition by {{ partition }} order by {{ bar }}) {%- endset -%}
    ({{ high }} - {{ low }} + greatest({{ previous }} - {{ high }}, {{ low }} - {{ previous }}, 0))
{%- endmacro %}
