{#- The trade_key of each raw row that came after the batch `taken`, doubles included: the cheapest look at it. -#}
{% macro new_keys(taken) %}
    select {{ trade_key(trimmed('trade_id')) }} as trade_key
    from {{ source('bronze', 'trades') }}
    where batch_id > {{ taken }}
{% endmacro %}
