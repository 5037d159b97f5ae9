{#-
    One of a million buckets for a trade_key. A set of buckets can be broadcast however many keys it stands for,
    so large tables are first cut down to the rows in the buckets that matter, without a shuffle.
-#}
{% macro key_bucket(trade_key) -%}
    pmod({{ trade_key }}, 1048576)
{%- endmacro %}
