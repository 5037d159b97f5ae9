-- Grain: one row per trade that counts.
{{ config(materialized='view', contract={'enforced': false}) }}

with trades as (
    select
        trade_id, symbol, exchange, trade_type, price, volume, quote_volume, traded_at, trade_date, user_id,
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id
    from {{ ref('screened_trades') }}
    where reason is null
)

select * from trades
