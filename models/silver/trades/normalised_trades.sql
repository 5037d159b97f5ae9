-- Grain: one row per row of bronze.trades.
{{ config(materialized='view', contract={'enforced': false}) }}

with trades as (
    select
        trade_id, symbol, exchange, trade_type, price, volume, timestamp, user_id,
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id
    from {{ source('bronze', 'trades') }}
),

symbols as (
    {{ names_by_key('symbols', 'symbol') }}
),

exchanges as (
    {{ names_by_key('exchanges', 'exchange') }}
),

withdrawn_files as (
    select source_file as withdrawn_file
    from {{ source('bronze', 'withdrawn_files') }}
),

normalised as (
    select
        {{ trimmed('trades.trade_id') }} as trade_id,
        symbols.symbol,
        exchanges.exchange,
        upper({{ trimmed('trades.trade_type') }}) as trade_type,
        {{ as_decimal('trades.price') }} as price,
        {{ as_decimal('trades.volume') }} as volume,
        -- Impossible timestamps become null; one of them would defeat file skipping.
        case
            when
                trades.timestamp between
                timestamp '2009-01-03 00:00:00' and trades.file_modified_at + interval 5 minutes
                then trades.timestamp
        end as traded_at,
        {{ trimmed('trades.user_id') }} as user_id,
        withdrawn_files.withdrawn_file,
        {% for column in raw_columns() -%}
        trades.{{ column }} as raw_{{ column }},
        {% endfor -%}
        trades.source_file, trades.source_row, trades.file_modified_at, trades.ingestion_timestamp, trades.batch_id
    from trades
    left join symbols on upper({{ trimmed('trades.symbol') }}) = symbols.symbol_key
    left join exchanges on upper({{ trimmed('trades.exchange') }}) = exchanges.exchange_key
    left join withdrawn_files on trades.source_file = withdrawn_files.withdrawn_file
),

final as (
    select
        trade_id, symbol, exchange, trade_type, price, volume, traded_at, user_id,
        raw_trade_id, raw_symbol, raw_price, raw_volume, raw_trade_type, raw_exchange, raw_timestamp, raw_user_id,
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id,
        {{ trade_key('trade_id') }} as trade_key,
        {{ first_broken_rule() }} as reason
    from normalised
)

select * from final
