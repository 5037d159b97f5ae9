-- Grain: one row per row of bronze.trades that does not count.
{{ config(materialized='view', contract={'enforced': false}) }}

with rejected_trades as (
    select
        raw_trade_id as trade_id, raw_symbol as symbol, raw_price as price, raw_volume as volume,
        raw_trade_type as trade_type, raw_exchange as exchange, raw_timestamp as timestamp, raw_user_id as user_id,
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id, reason
    from {{ ref('screened_trades') }}
    where reason is not null
)

select * from rejected_trades
