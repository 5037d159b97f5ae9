{#
    Annualised volatility: the sample standard deviation of the last `bars` log returns times the square root of the
    bars in a year (365 days, since crypto trades at weekends too).
    Source: Hull, Options, Futures, and Other Derivatives, chapter on historical volatility. First bar: bars + 1.
    Zero: a return like any other. Flat: 0. Null: null for `bars` bars. Gap: not detected, rows are counted.
    Single row: null.
#}
{% macro volatility(log_return, bars, bars_per_year=365, partition='symbol', bar='bars_seen') -%}
    ({{ deviation(log_return, bars, true, partition, bar) }} * sqrt({{ bars_per_year }}))
{%- endmacro %}
