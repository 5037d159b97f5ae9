{#-
    One of a million buckets for a trade_key. Unlike the keys themselves, the buckets are always few enough to be
    broadcast, so a large table can be filtered down to the rows that may match without a shuffle.
-#}
{% macro key_bucket(trade_key) -%}
    pmod({{ trade_key }}, 1048576)
{%- endmacro %}
