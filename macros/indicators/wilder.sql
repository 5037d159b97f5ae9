{#
    Wilder's mean (RMA, SMMA): (previous * (bars - 1) + value) / bars, seeded with the mean of the first `bars` values,
    which is an exponential mean with alpha = 1 / bars.
    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978). First bar: first + bars - 1.
    Zero, flat, null, gap and single row: as in exponential_mean.
#}
{% macro wilder(column, bars, first=1, partition='symbol', bar='bars_seen') -%}
    {{ exponential_mean(column, 1 / bars, bars, first, partition, bar) }}
{%- endmacro %}
