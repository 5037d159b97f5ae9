{#
    Log return: the natural logarithm of this value by the one of the bar before.
    Source: the definition. First bar: 2.
    Zero gives null, now and at the next bar; flat gives 0; null gives null, now and at the next bar; a gap is not
    seen: the bar before counts; a single row gives null.
#}
{% macro log_return(column, partition='symbol', bar='bars_seen') -%}
    ln({{ column }} / nullif(lag({{ column }}) over (partition by {{ partition }} order by {{ bar }}), 0))
{%- endmacro %}
