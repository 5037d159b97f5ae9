{#- A number by which copies of an id are found quickly; a row without an id has a number of its own. -#}
{% macro trade_key(trade_id) -%}
    xxhash64(coalesce({{ trade_id }}, concat('row ', source_row, ' of ', source_file)))
{%- endmacro %}
