{#
    Volume-weighted average price of the last `bars` bars: sum(quote_volume) / sum(volume). The sums are exact decimals,
    each rounded to double only for the division.
    Source: the definition. First bar: `bars`.
    Zero: a bar without volume adds nothing; null if no bar has volume. Flat: that price. Null: null for `bars` bars.
    Gap: not detected, rows are counted. Single row: null.
#}
{% macro rolling_vwap(quote_volume, volume, bars, partition='symbol', bar='bars_seen') -%}
    {%- set window = rolling_window(bars, partition, bar) -%}
    {%- set sum_of_volumes = rolling('sum(' ~ volume ~ ')', volume, bars, partition, bar) -%}
    (
        case
            when count({{ quote_volume }}) {{ window }} = {{ bars }}
                then {{ as_double(wide_sum(quote_volume, window)) }}
        end
        / nullif({{ as_double(sum_of_volumes) }}, 0)
    )
{%- endmacro %}
