{#- A hash by which rows with the same trade id are found quickly; a row without an id gets a hash of its position. -#}
{% macro trade_key(trade_id) -%}
    xxhash64(coalesce({{ trade_id }}, concat('row ', source_row, ' of ', source_file)))
{%- endmacro %}
