{#-
    The sum of a decimal(38, 16) that is not negative, as text, exact however large it is.
    Beyond its type, `sum` fails on Spark and, worse, wraps around on Sail. So whole parts and fractions are added up by
    themselves, in types that do not overflow. The text of a whole number is the same on every engine; pmod is, too,
    while Sail's % loses the fraction of a large decimal.

    window    an over clause, for a moving sum
-#}
{% macro wide_sum(column, window='') -%}
    {%- set one = 'cast(1 as decimal(38, 16))' -%}
    {%- set fractions -%} sum(pmod({{ column }}, {{ one }})) {{ window }} {%- endset -%}
    concat(
        cast(sum(floor({{ column }})) {{ window }} + floor({{ fractions }}) as string),
        '.',
        lpad(
            cast(cast(
                cast(pmod({{ fractions }}, {{ one }}) as decimal(17, 16)) * cast('10000000000000000' as decimal(17, 0))
                as decimal(17, 0)
            ) as string),
            16, '0'
        )
    )
{%- endmacro %}


{#- The same sum as decimal(38, 16); one that does not fit is the largest value of the type. Null without rows. -#}
{% macro capped_sum(column) -%}
    if(
        count({{ column }}) > 0,
        coalesce(try_cast({{ wide_sum(column) }} as decimal(38, 16)), {{ largest_amount() }}),
        null
    )
{%- endmacro %}


{#- The largest value of a decimal(38, 16). -#}
{% macro largest_amount() -%}
    cast('9999999999999999999999.9999999999999999' as decimal(38, 16))
{%- endmacro %}
