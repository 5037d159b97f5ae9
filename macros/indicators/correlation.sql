{#
    Pearson's correlation of the last `bars` pairs: covariance / square root of the product of the variances, limited to
    -1 to 1 against rounding. Spark's corr() would fail with a division by zero where one side is flat.
    Source: the definition; numpy corrcoef. First bar: `bars`.
    Zero: a value like any other. Flat: null if one side is flat over the window. Null: a null on either side gives null
    for `bars` bars. Gap: not detected, rows are counted. Single row: null.
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
