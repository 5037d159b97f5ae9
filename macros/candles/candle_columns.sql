{#- The columns of every candle, in their order and types; a window without trades is a tombstone. -#}
{% macro candle_columns(relation, key, revision) %}
    select
        {{ key }},
        open, high, low, close,
        cast(volume as decimal(28, 8)) as volume,
        cast(buy_volume as decimal(28, 8)) as buy_volume,
        cast(volume - buy_volume as decimal(28, 8)) as sell_volume,
        cast(quote_volume as decimal(38, 16)) as quote_volume,
        cast(quote_volume as double) / cast(volume as double) as vwap,
        trade_count,
        first_trade_at, last_trade_at,
        {{ revision }} as revision,
        trade_count is null as is_deleted
    from {{ relation }}
{% endmacro %}
