{#
    Annualised volatility: the sample standard deviation of the last `bars` log returns times the root of the bars
    in a year (365 days; crypto has no weekend).
    Source: Hull, Options, Futures, and Other Derivatives, chapter on historical volatility. First bar: bars + 1.
    Zero is a return like others; flat gives 0; null gives null for `bars` bars; a gap is not seen, bars are counted;
    a single row gives null.
#}
{% macro volatility(log_return, bars, bars_per_year=365, partition='symbol', bar='bars_seen') -%}
    ({{ rolling('stddev_samp(' ~ log_return ~ ')', log_return, bars, partition, bar) }} * sqrt({{ bars_per_year }}))
{%- endmacro %}
