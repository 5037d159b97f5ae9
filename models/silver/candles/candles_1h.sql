-- Grain: one row per symbol and hour with trades.
with candles as (
    {{ candles_from_candles(ref('candles_1m'), '1 hour') }}
)

select * from candles
