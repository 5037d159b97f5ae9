-- Grain: one row per symbol and minute with trades.
{{ config(liquid_clustered_by=['symbol', 'window_start']) }}

with candles as (
    {{ candles_from_trades('1 minute') }}
)

select * from candles
