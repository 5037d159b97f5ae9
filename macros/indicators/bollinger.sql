{#
    A Bollinger band: the mean of the last `bars` values plus `deviations` population standard deviations
    (negative for the lower band).
    Source: John Bollinger; TA-Lib BBANDS. First bar: `bars`.
    Zero is a value like others; flat gives the mean, the band closes; null gives null for `bars` bars; a gap is not
    seen; a single row gives null.
#}
{% macro bollinger(column, deviations, bars=20, partition='symbol', bar='bars_seen') -%}
    (
        {{ sma(column, bars, partition, bar) }}
        + {{ deviations }} * {{ rolling('stddev_pop(' ~ column ~ ')', column, bars, partition, bar) }}
    )
{%- endmacro %}
