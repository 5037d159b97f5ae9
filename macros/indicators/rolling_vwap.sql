{#
    Volume-weighted average price of the last `bars` bars: sum(quote_volume) / sum(volume), the sums exact decimals,
    each rounded to double only for the division.
    Source: the definition. First bar: `bars`.
    Zero volume in a bar adds nothing, in the whole window it gives null; flat gives that price; null gives null for
    `bars` bars; a gap is not seen; a single row gives null.
#}
{% macro rolling_vwap(quote_volume, volume, bars, partition='symbol', bar='bars_seen') -%}
    (
        cast({{ rolling('sum(' ~ quote_volume ~ ')', quote_volume, bars, partition, bar) }} as double)
        / nullif(cast({{ rolling('sum(' ~ volume ~ ')', volume, bars, partition, bar) }} as double), 0)
    )
{%- endmacro %}
