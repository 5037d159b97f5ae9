-- Grain: one row per symbol and hour with trades.
{{
    config(
        unique_key=['symbol', 'window_start'],
        returns='changes',
        lineage_columns=['revision'],
    )
}}

with candles as (
    {{ candles_from_candles(ref('candles_1m'), '1 hour') }}
)

select * from candles
