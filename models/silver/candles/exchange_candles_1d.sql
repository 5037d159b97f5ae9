-- Grain: one row per symbol, exchange and day with trades.
{{ config(unique_key=['symbol', 'exchange', 'window_start']) }}

with candles as (
    {{ candles_from_trades('1 day', keys=['symbol', 'exchange']) }}
)

select * from candles
