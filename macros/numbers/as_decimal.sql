{#-
    A double as decimal(18, 8): its shortest decimal notation, rounded half up; null if it is not finite or too large.
    A direct cast multiplies in binary on Sail (12879.285326085 becomes ...08), so the digits are taken from its text.
    Sail writes numbers below 0.00001 as 1.5e-8, which it can't read as a decimal: their digits are moved instead. What
    is smaller than 1e-9 rounds to 0.
-#}
{% macro as_decimal(column) -%}
    {%- set text -%} cast({{ column }} as string) {%- endset -%}
    {%- set mantissa -%} replace(replace(split_part({{ text }}, 'e-', 1), '-', ''), '.', '') {%- endset -%}
    {%- set zeros -%} repeat('0', cast(split_part({{ text }}, 'e-', 2) as int) - 1) {%- endset -%}
    try_cast(
        case
            when abs({{ column }}) < 1e-9d then '0'
            when {{ text }} like '%e-%'
                then concat(if({{ column }} < 0, '-', ''), '0.', {{ zeros }}, {{ mantissa }})
            else {{ text }}
        end as decimal(18, 8)
    )
{%- endmacro %}
