{#-
    The columns of every candle, in their order and types; a touched window without trades is a tombstone.
    The revision is what the table read from has taken in.
-#}
{% macro candle_columns(windows, key, upstream, touched=none) %}
    select
        {{ key }},
        open, high, low, close,
        cast(volume as decimal(28, 8)) as volume,
        cast(buy_volume as decimal(28, 8)) as buy_volume,
        -- A difference of wider decimals would lose its last digit.
        cast(cast(volume as decimal(28, 8)) - cast(buy_volume as decimal(28, 8)) as decimal(28, 8)) as sell_volume,
        cast(quote_volume as decimal(38, 16)) as quote_volume,
        cast(quote_volume as double) / cast(volume as double) as vwap,
        trade_count,
        first_trade_at, last_trade_at,
        taken.revision,
        trade_count is null as is_deleted
    from {{ touched ~ ' left join ' ~ windows ~ ' using (' ~ key ~ ')' if touched else windows }}
    cross join (select max(revision) as revision from {{ upstream }}) as taken
{% endmacro %}
