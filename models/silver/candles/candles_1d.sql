-- Grain: one row per symbol and day with trades.
with candles as (
    {{ candles_from_candles(ref('candles_1h'), '1 day') }}
)

select * from candles
