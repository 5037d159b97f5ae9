{#- A query of the trade_key of each raw row of a batch after `last_batch`, repeated ids included. -#}
{% macro new_trade_keys(last_batch) %}
    select {{ trade_key(trimmed('trade_id')) }} as trade_key
    from {{ source('bronze', 'trades') }}
    where batch_id > {{ last_batch }}
{% endmacro %}
