{#
    Pearson's correlation of the last `bars` pairs: covariance / root of the product of the variances, kept within -1
    and 1 against rounding. Spark's corr() divides by zero, which is an error, where a side is flat.
    Source: the definition; numpy corrcoef. First bar: `bars`.
    Zero is a value like others; a side that is flat over the window gives null; a null on either side gives null for
    `bars` bars; a gap is not seen; a single row gives null.
#}
{% macro correlation(left, right, bars, partition='symbol_a, symbol_b', bar='bars_seen') -%}
    {%- set pairs = left ~ ' + ' ~ right -%}
    {%- set covariance = rolling('covar_pop(' ~ left ~ ', ' ~ right ~ ')', pairs, bars, partition, bar) -%}
    {%- set spread -%}
        sqrt(
            {{ rolling('var_pop(' ~ left ~ ')', pairs, bars, partition, bar) }}
            * {{ rolling('var_pop(' ~ right ~ ')', pairs, bars, partition, bar) }}
        )
    {%- endset -%}
    case when {{ spread }} > 0 then greatest(-1, least(1, {{ covariance }} / {{ spread }})) end
{%- endmacro %}
