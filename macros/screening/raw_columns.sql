{#- The names of the columns of a raw trade, in order. -#}
{% macro raw_columns() -%}
    {{ return(['trade_id', 'symbol', 'price', 'volume', 'trade_type', 'exchange', 'timestamp', 'user_id']) }}
{%- endmacro %}
